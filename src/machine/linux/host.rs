//! What the operating system says of itself, and what it runs in: a virtual machine, a container.

use std::path::Path;

use super::{cpuinfo, line, text};
use crate::machine::System;

/// Reads everything below `root`.
pub(super) fn system(root: &Path) -> System {
    let kernel = root.join("proc/sys/kernel");
    let release = [root.join("etc/os-release"), root.join("usr/lib/os-release")];
    System {
        hostname: line(kernel.join("hostname")),
        os: release.iter().find_map(|file| pretty_name(&text(file))).or_else(|| Some("Linux".to_owned())),
        kernel: line(kernel.join("osrelease")),
        virtualization: virtualization(root),
        container: container(root),
    }
}

/// `PRETTY_NAME` of an os-release file.
fn pretty_name(os_release: &str) -> Option<String> {
    let name = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    let name = name.trim().trim_matches(['"', '\'']);
    (!name.is_empty()).then(|| name.to_owned())
}

/// What the firmware, the kernel or the processor says of being a guest.
fn virtualization(root: &Path) -> Option<String> {
    let kernel = line(root.join("proc/sys/kernel/osrelease")).unwrap_or_default().to_lowercase();
    if kernel.contains("microsoft") {
        return Some("WSL2".to_owned());
    }
    let dmi = |file: &str| line(root.join("sys/class/dmi/id").join(file)).unwrap_or_default();
    let firmware = format!("{} {}", dmi("sys_vendor"), dmi("product_name"));
    let known = [
        ("QEMU", "QEMU/KVM"),
        ("KVM", "KVM"),
        ("VMware", "VMware"),
        ("VirtualBox", "VirtualBox"),
        ("Microsoft Corporation Virtual Machine", "Hyper-V"),
        ("Parallels", "Parallels"),
        ("Xen", "Xen"),
        ("Amazon EC2", "Amazon EC2"),
        ("Google Compute Engine", "Google Compute Engine"),
        ("Apple Virtualization", "Apple Virtualization"),
    ];
    // EC2's bare metal instances say Amazon EC2 as well, so the processor has to agree where it can.
    let is_guest = cpuinfo::parse(&text(root.join("proc/cpuinfo"))).is_virtual();
    let named = known.into_iter().find(|(mark, _)| firmware.contains(mark)).map(|(_, name)| name.to_owned());
    match named {
        Some(name) if name != "Amazon EC2" || is_guest => Some(name),
        _ => line(root.join("sys/hypervisor/type")).or_else(|| is_guest.then(|| "virtual machine".to_owned())),
    }
}

/// Marks that container engines leave.
fn container(root: &Path) -> Option<String> {
    if let Some(name) = line(root.join("run/systemd/container")) {
        return Some(name);
    }
    if root.join("run/.containerenv").exists() {
        return Some("podman".to_owned());
    }
    let groups = text(root.join("proc/1/cgroup"));
    let marks = [("kubepods", "kubernetes"), ("docker", "docker"), ("libpod", "podman"), ("/lxc", "lxc")];
    if let Some((_, name)) = marks.into_iter().find(|(mark, _)| groups.contains(mark)) {
        return Some(name.to_owned());
    }
    if root.join("var/run/secrets/kubernetes.io").exists() {
        return Some("kubernetes".to_owned());
    }
    root.join(".dockerenv").exists().then(|| "docker".to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn root(files: &[(&str, &str)]) -> TempDir {
        let root = TempDir::new().expect("a folder");
        for (file, text) in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        root
    }

    #[test]
    fn a_bare_desktop_is_neither_guest_nor_container() {
        let desktop = root(&[
            ("etc/os-release", "NAME=\"Fedora Linux\"\nPRETTY_NAME=\"Fedora Linux 42 (Workstation)\"\n"),
            ("proc/sys/kernel/hostname", "desk\n"),
            ("proc/sys/kernel/osrelease", "6.14.0-63.fc42.x86_64\n"),
            ("sys/class/dmi/id/sys_vendor", "ASUS\n"),
            ("sys/class/dmi/id/product_name", "PRIME B550\n"),
            ("proc/cpuinfo", "flags : avx avx2\n"),
            ("proc/1/cgroup", "0::/init.scope\n"),
        ]);
        let expected = System {
            hostname: Some("desk".to_owned()),
            os: Some("Fedora Linux 42 (Workstation)".to_owned()),
            kernel: Some("6.14.0-63.fc42.x86_64".to_owned()),
            virtualization: None,
            container: None,
        };
        assert_eq!(system(desktop.path()), expected);
    }

    #[test]
    fn guests_are_known_by_firmware_kernel_or_processor() {
        let kind = |files: &[(&str, &str)]| virtualization(root(files).path());
        assert_eq!(kind(&[("sys/class/dmi/id/sys_vendor", "QEMU\n")]).as_deref(), Some("QEMU/KVM"));
        assert_eq!(kind(&[("proc/sys/kernel/osrelease", "5.15.1-microsoft-standard-WSL2\n")]).as_deref(), Some("WSL2"));
        assert_eq!(kind(&[("proc/cpuinfo", "flags : avx hypervisor\n")]).as_deref(), Some("virtual machine"));
        assert_eq!(kind(&[("sys/class/dmi/id/sys_vendor", "Amazon EC2\n"), ("proc/cpuinfo", "flags : avx\n")]), None);
        let surface = [
            ("sys/class/dmi/id/sys_vendor", "Microsoft Corporation\n"),
            ("sys/class/dmi/id/product_name", "Surface\n"),
        ];
        assert_eq!(kind(&surface), None);
    }

    #[test]
    fn containers_are_known_by_their_marks() {
        let kind = |files: &[(&str, &str)]| container(root(files).path());
        assert_eq!(kind(&[(".dockerenv", "")]).as_deref(), Some("docker"));
        assert_eq!(kind(&[("run/.containerenv", "")]).as_deref(), Some("podman"));
        assert_eq!(
            kind(&[("proc/1/cgroup", "0::/kubepods/pod1\n"), (".dockerenv", "")]).as_deref(),
            Some("kubernetes")
        );
        assert_eq!(kind(&[("run/systemd/container", "systemd-nspawn\n")]).as_deref(), Some("systemd-nspawn"));
        assert_eq!(kind(&[]), None);
    }

    #[test]
    fn an_os_release_without_a_pretty_name_leaves_plain_linux() {
        assert_eq!(
            system(root(&[("etc/os-release", "NAME=x\nPRETTY_NAME=\"\"\n")]).path()).os.as_deref(),
            Some("Linux")
        );
        assert_eq!(pretty_name("PRETTY_NAME='Alpine Linux v3.22'\n").as_deref(), Some("Alpine Linux v3.22"));
    }
}
