"""Muon: momentum whose update is made orthogonal (Keller Jordan, https://kellerjordan.github.io/posts/muon/)."""

import torch


@torch.no_grad()
def orthogonal(update, steps=5):
    """update: [n, rows, columns]; five Newton-Schulz steps of the quintic iteration given on that page."""
    x = update.bfloat16()
    turned = x.shape[-2] > x.shape[-1]
    if turned:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.mT if turned else x).to(update.dtype)


class Muon(torch.optim.Optimizer):
    """For matrices; all of one shape are orthogonalized together."""

    def __init__(self, matrices, lr, weight_decay, momentum):
        super().__init__(list(matrices), {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for p in group["params"]:
                shapes.setdefault(p.shape, []).append(p)
            for shape, params in shapes.items():
                grads = torch.stack([p.grad for p in params])
                state = self.state[params[0]]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(grads)
                buffer = state["momentum"]
                buffer.lerp_(grads, 1 - group["momentum"])
                update = orthogonal(grads.lerp(buffer, group["momentum"]))
                scale = max(1, shape[0] / shape[1]) ** 0.5
                for p, u in zip(params, update):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(u, alpha=-group["lr"] * scale)
