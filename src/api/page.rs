//! Long lists, page by page: `{"count", "next", "previous", "results"}`.

use serde_json::{Value, json};

use super::{
    error::{Error, Result},
    service::{BASE, Call},
};

/// The parameters of the query.
pub const PAGES: &[(&str, &str)] =
    &[("page", "Which page, from 1."), ("page_size", "How many there are on a page, 1000 at most.")];

/// How many are on a page where nobody says, and at most: as a rule all of them.
const USUAL: usize = 250;
const MOST: usize = 1000;

/// The page of `all` that is asked for; a list without any has one page, too.
pub fn page(call: &Call, path: &str, all: Vec<Value>) -> Result<Value> {
    let number = |name, usual: usize| match call.param(name) {
        None => Some(usual),
        Some(text) => text.parse().ok().filter(|number| *number > 0),
    };
    let (page, size) = (number("page", 1), number("page_size", USUAL).unwrap_or(USUAL).min(MOST));
    let pages = all.len().div_ceil(size).max(1);
    let page = page.filter(|page| *page <= pages).ok_or_else(Error::not_found)?;
    let link = |page: usize| format!("{BASE}{path}?page={page}&page_size={size}");
    Ok(json!({
        "count": all.len(),
        "next": (page < pages).then(|| link(page + 1)),
        "previous": (page > 1).then(|| link(page - 1)),
        "results": all.into_iter().skip((page - 1) * size).take(size).collect::<Value>(),
    }))
}
