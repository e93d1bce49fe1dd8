//! The status page: rendered by the agent and readable without a script. In browsers with scripts, a script keeps it up to date.
//!
//! Reads the database as `smb-sensor alerts` does. Text from packets is escaped twice: misleading characters by
//! [`sensor_dissect::escape`], and markup by the templates.

mod assets;
mod block;
mod exempt;
mod explain;
mod exposed;
mod fleet;
mod flows;
mod format;
mod frame;
mod incident;
mod incidents;
mod live;
mod overview;
mod picture;
mod rows;
mod verdict;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use sensor_core::incident::Incident;

use super::Source;
use crate::{
    state,
    storage::{IncidentRow, Reader},
};

/// The routes of the page.
pub(super) fn routes() -> Router<Source> {
    Router::new()
        .route("/", get(overview::page))
        .route("/incidents", get(incidents::page))
        .route("/incidents/{id}", get(incident::page))
        .route("/incidents/{id}/exempt", post(exempt::add).layer(DefaultBodyLimit::max(exempt::MAX_BODY)))
        .route("/incidents/{id}/verdict", post(verdict::give).layer(DefaultBodyLimit::max(exempt::MAX_BODY)))
        .route("/incidents/{id}/block", post(block::begin).layer(DefaultBodyLimit::max(exempt::MAX_BODY)))
        .route("/blocks", get(block::page))
        .route("/blocks/end", post(block::end).layer(DefaultBodyLimit::max(exempt::MAX_BODY)))
        .route("/explain", get(explain::page))
        .route("/exposed", get(exposed::page))
        .route("/fleet", get(fleet::page))
        .route("/flows", get(flows::page))
        .route("/live", get(live::events))
        .route("/assets/{name}", get(assets::asset))
}

/// Reads from the database on a thread that may wait for the disk, and renders what was read.
async fn read(
    source: Source,
    page: impl FnOnce(&Source, &Reader) -> Result<Response> + Send + 'static,
) -> Response {
    waiting(source, move |source| page(source, &Reader::open(&source.state_dir)?)).await
}

/// Makes a page on a thread that may wait.
async fn waiting(
    source: Source,
    page: impl FnOnce(&Source) -> Result<Response> + Send + 'static,
) -> Response {
    // A client that goes away while it waits here costs nothing more.
    let permit = Arc::clone(&source.reads).acquire_owned().await;
    let task = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        page(&source).unwrap_or_else(|error| frame::unavailable(&source, &error))
    });
    task.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

fn decoded(row: &IncidentRow) -> Result<Incident> {
    state::incident(row)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("cannot read incident {}", row.id))
}
