//! Where the price table is fetched anew by the clock.

use super::Mode;
use crate::address::base_url;
use crate::catalogue::import::{Format, FORMATS};
use crate::document::Item;

/// Where the price table is fetched anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    /// The list's address; https, but for loopback addresses in local mode.
    pub url: String,
    /// Whose format it has.
    pub format: Format,
}

/// Members of `prices`.
pub const PRICES: &[&str] = &["refresh_url", "format"];

/// Reads it; `None` = the table changes by hand only.
pub(super) fn read(item: &Item<'_>, mode: Mode) -> Option<Refresh> {
    let object = item.object(PRICES)?;
    let format = object.member("format").map_or(Some(Format::Signalbox), |format| format.word(&FORMATS));
    let url = object.member("refresh_url")?;
    let address = base_url(url.text()?, mode == Mode::Local);
    if let Err(problem) = address {
        url.problem(problem);
    }
    Some(Refresh { url: address.ok()?, format: format? })
}
