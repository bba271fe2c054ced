//! Who calls. The gateway verifies assertions that configured issuers sign; it stores no users and issues nothing
//! (DESIGN §1.6, `security.md` §1).

pub mod settings;

pub use settings::{Algorithm, ClaimNames, Issuer, Mode, Settings};
