//! Holds nothing: the tests of this package are beside it.
