//! `kalends check --proxy`: the attacks on a proxy and the first requests of real clients, played against the operator's
//! own, and what is open or broken in plain words. Knows nothing of the server but what its settings and answers say.

mod clients;
mod forge;
mod http2;
mod judge;
mod known;
mod message;
mod play;
mod report;
mod sends;
mod site;
mod table;
mod wire;
mod works;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};

use crate::config::Settings;

pub use report::{Kind, Report};

use known::Known;
use play::Player;
use site::Site;

/// What is to be tried, and as whom. It holds a password, so it shows itself to nobody.
#[derive(Clone, Default)]
pub struct Plan {
    /// The proxy's address, as people type it.
    pub url: String,
    /// Who signs in with a password.
    pub user: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// A file with the password, instead.
    pub password_file: Option<PathBuf>,
    /// A file with a token, instead of both.
    pub bearer_file: Option<PathBuf>,
    /// Certificates to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// `HOST:PORT:ADDRESS`, for sites whose name is not in the DNS.
    pub resolve: Option<String>,
    /// The port of plain HTTP; without it 80, where the site is at 443.
    pub http_port: Option<u16>,
    /// The checks that are made, by name; all if none is named.
    pub only: Vec<String>,
    /// What the proxy is; without it the Server header tells.
    pub kind: Option<Kind>,
}

/// Plays everything. `told` hears of every request; `configured` says that the settings are those of the site.
///
/// # Errors
/// When the plan cannot be carried out at all: nobody answers, or what it names cannot be read.
pub async fn run(
    plan: &Plan,
    settings: Settings,
    configured: bool,
    told: &mut dyn FnMut(&str),
) -> Result<Report> {
    let site = Site::new(&plan.url, plan.resolve.as_deref(), plan.ca.as_deref())?;
    let mut known = Known::new(&site, settings, configured);
    known.authorization = authorization(plan)?;
    known.login = plan.user.clone().unwrap_or_default();
    known.plain = plan.http_port.or(known.plain);
    if let Some(name) = plan.only.iter().find(|name| !table::ATTACKS.iter().any(|row| row.name == **name)) {
        bail!("there is no check {name:?}: their names stand in each line of the report");
    }
    let reached = site.connect(&site::Via::Proxy, b"http/1.1").await;
    drop(reached.with_context(|| format!("{} cannot be reached", site.origin()))?);
    let mut player = Player { site: &site, known, told, waits: 0 };
    let Ok(first) = player.look().await else { bail!("{} does not answer in HTTP", site.origin()) };
    let kind = plan.kind.or_else(|| Kind::of(first.header("server").unwrap_or_default()));
    let checked = player.all(&plan.only).await;
    Ok(Report { site: site.origin(), kind, user: player.known.user, checked })
}

/// The Authorization header of the plan, if it names credentials.
fn authorization(plan: &Plan) -> Result<Option<String>> {
    if let Some(file) = &plan.bearer_file {
        return Ok(Some(format!("Bearer {}", secret(file)?)));
    }
    let Some(user) = &plan.user else { return Ok(None) };
    let password = match (&plan.password_file, &plan.password) {
        (Some(file), _) => secret(file)?,
        (None, Some(password)) => password.clone(),
        (None, None) => {
            bail!("{user} needs a password: KALENDS_CHECK_PASSWORD in the environment, or --password-file")
        }
    };
    Ok(Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))))
}

fn secret(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
