//! pp/tg tests.
