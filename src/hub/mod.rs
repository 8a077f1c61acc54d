//! Models from Hugging Face's hub, or from a mirror of it: what there is, what is here already, and downloads that resume and
//! are verified.
//!
//! [`wish`] is what is wanted, [`scan`](mod@scan) what is here, [`ledger`] what is remembered of it, [`places`] where all of that lies.

pub mod error;
pub mod ledger;
pub mod places;
pub mod scan;
pub mod wish;

pub use error::HubError;
pub use ledger::Ledger;
pub use places::{Patience, Settings};
pub use wish::Wish;
