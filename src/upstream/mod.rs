//! What we know of providers: how to address them and what their failures mean.
pub mod failure;
pub mod keys; // what a reply or silence means
pub mod registry; // how a provider is addressed
pub mod told; // what of its headers callers may read
