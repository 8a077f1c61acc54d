//! Whether two models speak of the same tokens: only then can their predictions be compared.

use crate::engine::{Model, Token};

/// What differs between two models' vocabularies, in words; none where all is the same.
pub(super) fn difference(reference: &dyn Model, candidate: &dyn Model) -> Option<String> {
    let (a, b) = (reference.info(), candidate.info());
    if a.n_vocab != b.n_vocab {
        return Some(format!("the reference has {} tokens, the candidate {}", a.n_vocab, b.n_vocab));
    }
    let (mut piece_a, mut piece_b) = (Vec::new(), Vec::new());
    for token in 0..Token::try_from(a.n_vocab).unwrap_or(Token::MAX) {
        piece_a.clear();
        piece_b.clear();
        reference.append_piece(token, &mut piece_a);
        candidate.append_piece(token, &mut piece_b);
        if piece_a != piece_b {
            return Some(format!(
                "token {token} is {} in the reference, {} in the candidate",
                show(&piece_a),
                show(&piece_b)
            ));
        }
        let (end_a, end_b) = (reference.is_end_of_generation(token), candidate.is_end_of_generation(token));
        if end_a != end_b {
            let which = if end_a { "reference" } else { "candidate" };
            return Some(format!("token {token} ends an answer of the {which} alone"));
        }
    }
    if (a.bos, a.adds_bos) != (b.bos, b.adds_bos) {
        let (a, b) = (begins(a.bos, a.adds_bos), begins(b.bos, b.adds_bos));
        return Some(format!("a text begins with {a} for the reference, with {b} for the candidate"));
    }
    None
}

fn begins(bos: Option<Token>, adds_bos: bool) -> String {
    match bos {
        Some(token) if adds_bos => format!("token {token}"),
        Some(token) => format!("no token (BOS would be {token})"),
        None => "no token".to_owned(),
    }
}

fn show(piece: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(piece))
}
