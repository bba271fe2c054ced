//! What we know of providers: how to address them and what their failures mean.
pub mod failure;
