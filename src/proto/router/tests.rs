//! Stories of whole endpoints in virtual time.
