//! The way of a request for vectors: read, choose, attempt, settle, tell.

use crate::embedding::{self, Form};
use crate::error::GatewayError;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::work::Work;
use crate::pipeline::{attempts, choose, enter, keep, told};
use crate::policy::routing::OnUnsupported;
use crate::ports::Platform;

/// Serves it. `path_model`: the model, where it stands in the path.
///
/// # Errors
/// The caller's: a field, or a model that has no vectors.
pub async fn embed<P: Platform>(
    exchange: &mut Exchange<'_, P>,
    form: Form,
    path_model: Option<String>,
) -> Result<(), GatewayError> {
    let body = enter::body(exchange).await?;
    let (wanted, mut view) = embedding::read(form, path_model, &body)?;
    let mut asked = choose::asked(exchange, &mut view)?;
    if asked.on_unsupported == OnUnsupported::Drop && wanted.has_native_input() {
        // Fields may be dropped; what is to be embedded may not.
        asked.on_unsupported = OnUnsupported::Route;
    }
    exchange.explain = asked.explain;
    if keep::hand_over(exchange, false, &body).await? {
        return Ok(());
    }
    let choice = choose::choose(exchange, &view, asked, Work::Embed(wanted))?;
    let mut run = attempts::Run::new(exchange, &view, &choice);
    run.drive().await;
    told::served(&run);
    exchange.failed = run.error.is_some();
    Ok(())
}
