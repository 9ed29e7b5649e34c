//! The reports of WebDAV itself.

pub mod expand_property;
pub mod heard;
pub mod principals;
pub mod search;
pub mod sync_collection;
pub mod sync_home;

use std::{sync::Arc, time::Instant};

use crate::{
    front::Response,
    observe::{metrics, trace},
};

use super::{Cx, Given, Refusal, Result, condition::SUPPORTED_REPORT, facts, locks, prop::Needs};

/// REPORT: hands over to the report whose element the body is (RFC 3253 §3.6).
pub async fn run(cx: Arc<Cx>, given: Given) -> Result<Response> {
    let root = given.xml.ok_or_else(|| Refusal::bad_request("the body of a REPORT names the report"))?;
    let kind = cx.located.target.kind();
    let known = cx.tables.reports.iter().find(|report| root.is(report.name) && report.on.has(kind));
    let report = known.ok_or(SUPPORTED_REPORT)?;
    let guard = locks::guard(&cx).await?;
    if guard.asks() {
        guard.holds(&facts::of_target(&cx, Needs::NONE).await?)?;
    }
    let started = Instant::now();
    trace::report(report.name.local);
    let answer = (report.run)(cx, root).await;
    metrics::reported(report.name.local, started.elapsed());
    answer
}
