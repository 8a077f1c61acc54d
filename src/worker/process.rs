//! Parent.
