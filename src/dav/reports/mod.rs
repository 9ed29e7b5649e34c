//! The reports of WebDAV itself.

pub mod audit;
pub mod expand_property;
pub mod heard;
pub mod principals;
pub mod search;
pub mod sync_collection;
pub mod sync_home;

use std::{sync::Arc, time::Instant};

use crate::{
    front::Response,
    model::Kind,
    observe::{metrics, trace},
};

use super::{Cx, Error, Given, Refusal, Result, condition::SUPPORTED_REPORT, facts, locks, prop::Needs};

/// REPORT: hands over to the report whose element the body is (RFC 3253 §3.6).
pub async fn run(cx: Arc<Cx>, given: Given) -> Result<Response> {
    let root = given.xml.ok_or_else(|| Refusal::bad_request("the body of a REPORT names the report"))?;
    let kind = cx.located.target.kind();
    let known = cx.tables.reports.iter().find(|report| root.is(report.name) && report.on.has(kind));
    let report = known.ok_or(SUPPORTED_REPORT)?;
    let guard = locks::guard(&cx).await?;
    let mut unread = false;
    if guard.asks() {
        match facts::of_target(&cx, Needs::NONE).await {
            Ok(facts) => guard.holds(&facts)?,
            // There are reports for who may not read; which, they say themselves.
            Err(Error::Refused(_)) => unread = true,
            Err(fault) => return Err(fault),
        }
    }
    let started = Instant::now();
    trace::report(report.name.local);
    let answer = (report.run)(cx.clone(), root).await;
    metrics::reported(report.name.local, started.elapsed());
    let answer = match answer {
        // What fails at a calendar may never be for what is there.
        Err(Error::Refused(_)) if kind == Kind::Calendar && !report.on.has(facts::kind(&cx).await?) => {
            return Err(SUPPORTED_REPORT.into());
        }
        other => other?,
    };
    if unread {
        // What the viewer may not read has no state.
        guard.unchanged(None, None)?;
    }
    Ok(answer)
}
