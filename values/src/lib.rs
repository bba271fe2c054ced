//! Values: what bytes are read as, and what reads them. They know nothing of models, providers or the platform. A package of
//! its own because it is compiled for speed, and the rest for size (docs/adr/0039).

pub mod http; // request, response, headers
pub mod json; // JSON members by source text
pub mod sse; // event streams
pub mod hashed; // texts as numbers
pub mod utf8; // bytes of texts
pub mod hex; // digests as text
pub mod sorted; // maps and sets as sorted lists
