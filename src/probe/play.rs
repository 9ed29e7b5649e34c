//! Playing the table: each request is sent, with patience for proxies that throttle, and each answer is judged.

use std::time::Duration;

use super::forge;
use super::http2;
use super::judge::{Exchange, Finding, who};
use super::known::Known;
use super::message::{Message, Version};
use super::report::{Checked, Verdict};
use super::sends::{self, Talk};
use super::site::{Site, Via};
use super::table::{ATTACKS, Attack, MAKES_CALENDAR, MAKES_OBJECT, Needs};
use super::wire::{Answer, Gone, Outcome, Wire};
use crate::config::Listen;
use crate::xml::Name;

/// The wait before a request that was throttled is tried again.
const BREATH: Duration = Duration::from_secs(2);
/// Waits of one run, all together.
const WAITS: usize = 10;

/// What plays.
pub(super) struct Player<'a> {
    pub(super) site: &'a Site,
    pub(super) known: Known,
    /// Told of every request, when somebody wants to know.
    pub(super) told: &'a mut dyn FnMut(&str),
    /// Waits so far.
    pub(super) waits: usize,
}

impl Player<'_> {
    /// A first look: who answers, and whom kalends takes the operator for.
    pub(super) async fn look(&mut self) -> Result<Answer, Gone> {
        let first = self.one(&Via::Proxy, Message::who(self.known.base())).await?;
        for base in self.known.bases.clone() {
            if self.known.authorization.is_some()
                && self.known.user.is_none()
                && let Ok(answer) = self.one(&Via::Proxy, Message::who(base).signed()).await
            {
                self.known.user = who(&answer);
                self.known.marked = self.known.user.is_some() && answer.header("x-request-id").is_some();
            }
        }
        if self.known.user.is_some()
            && let Ok(answer) = self.one(&Via::Proxy, forge::told(&self.known)).await
        {
            let hrefs = super::judge::texts(&answer, Name::dav("href"));
            self.known.mail = hrefs.iter().find_map(|href| href.strip_prefix("mailto:")).map(str::to_owned);
            let shown = super::judge::texts(&answer, Name::dav("displayname"));
            self.known.shown = shown.into_iter().find(|name| !name.is_empty());
        }
        Ok(first)
    }

    /// Every row of the table, or these with what they stand on; and the way back.
    pub(super) async fn all(&mut self, only: &[String]) -> Vec<Checked> {
        let named = |row: &&Attack| only.is_empty() || only.iter().any(|name| name == row.name);
        let writes = ATTACKS.iter().filter(named).any(|row| row.needs == Needs::Calendar);
        let stands_on = |row: &&Attack| writes && [MAKES_CALENDAR, MAKES_OBJECT].contains(&row.name);
        let mut out = Vec::new();
        for row in ATTACKS.iter().filter(|row| named(row) || stands_on(row)) {
            let verdict = match self.lacks(row.needs) {
                Some(why) => Verdict::Unchecked(why),
                None => self.row(row).await,
            };
            out.push(Checked { row, verdict });
        }
        if self.known.made {
            self.leave().await;
        }
        out
    }

    /// The way back: the calendar goes, out of the trash too.
    async fn leave(&mut self) {
        let _ = self.one(&Via::Proxy, sends::clean_up(&self.known)).await;
        let Ok(lying) = self.one(&Via::Proxy, sends::trash(&self.known)).await else { return };
        for entry in super::judge::lying(&lying, &self.known.tried("")) {
            let _ = self.one(&Via::Proxy, Message::new("DELETE", entry).signed()).await;
        }
    }

    /// Why a row cannot be tried, if it cannot.
    fn lacks(&self, needs: Needs) -> Option<String> {
        let known = &self.known;
        let (given, user) = (known.authorization.is_some(), known.user.is_some());
        let why = match needs {
            Needs::Nothing => return None,
            Needs::Tls if known.is_secure() => return None,
            Needs::Tls => "HTTP/2 is spoken over TLS alone",
            Needs::Settings if known.configured => return None,
            Needs::Settings => "the settings of kalends were not given: --config FILE",
            _ if !given => "no credentials were given: --user NAME, or --bearer-file FILE",
            Needs::Credentials => return None,
            _ if !user => "signing in did not lead to a principal",
            Needs::User => return None,
            Needs::Calendar if known.made => return None,
            Needs::Calendar => "no calendar could be made to try it in",
        };
        Some(why.into())
    }

    async fn row(&mut self, row: &'static Attack) -> Verdict {
        let mut findings: Vec<Finding> = Vec::new();
        let (mut asked, mut answered, mut unreached) = (0, 0, 0);
        let talks = (row.sends)(&self.known);
        if talks.is_empty() {
            return Verdict::Moot;
        }
        for talk in talks {
            let by_proxy = talk.via == Via::Proxy;
            let exchanges = self.talk(talk, row.name).await;
            asked += exchanges.len();
            let gone = |e: &&Exchange| by_proxy && e.outcome.as_ref().err() == Some(&Gone::Unreachable);
            unreached += exchanges.iter().filter(gone).count();
            answered += exchanges.iter().filter(|e| e.outcome.is_ok()).count();
            if row.name == MAKES_CALENDAR {
                self.known.made = exchanges.iter().any(|e| e.outcome.as_ref().is_ok_and(|a| a.status == 201));
            }
            for finding in (row.judge)(&self.known, &exchanges) {
                if !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
        }
        if findings.is_empty() && answered == 0 && row.needs == Needs::Tls {
            return Verdict::Unchecked("the proxy answers nothing in HTTP/2".into());
        }
        // Whoever is shut out meanwhile, as an attacker, has not seen anything hold.
        if findings.is_empty() && unreached > 0 {
            return Verdict::Unchecked(format!("{unreached} of {asked} requests could not reach the proxy"));
        }
        if findings.is_empty() { Verdict::Holds { asked } } else { Verdict::Found(findings) }
    }

    async fn talk(&mut self, talk: Talk, row: &str) -> Vec<Exchange> {
        let second = talk.messages.iter().all(|message| message.version == Version::Two);
        let exchanges = if second { self.over_http2(talk).await } else { self.over_http1(talk).await };
        for exchange in &exchanges {
            let outcome = match &exchange.outcome {
                Ok(answer) => who(answer)
                    .map_or_else(|| answer.status.to_string(), |name| format!("{} as {name}", answer.status)),
                Err(gone) => format!("{gone:?}").to_lowercase(),
            };
            (self.told)(&format!("{row}: {} -> {outcome}", exchange.message));
        }
        exchanges
    }

    async fn over_http2(&mut self, talk: Talk) -> Vec<Exchange> {
        let (host, signature) = (self.known.authority.clone(), self.known.authorization.clone());
        let outcomes = match self.site.connect(&talk.via, b"h2").await {
            Ok(stream) => http2::ask(stream, &talk.messages, &host, signature.as_deref()).await,
            Err(_) => talk.messages.iter().map(|_| Err(Gone::Unreachable)).collect(),
        };
        talk.messages
            .into_iter()
            .zip(outcomes)
            .map(|(message, outcome)| Exchange { message, outcome })
            .collect()
    }

    async fn over_http1(&mut self, talk: Talk) -> Vec<Exchange> {
        let mut wire = None;
        let mut exchanges = Vec::new();
        for message in talk.messages {
            if talk.together && !exchanges.is_empty() && wire.is_none() {
                break;
            }
            let outcome = self.patiently(&talk.via, &message, &mut wire).await;
            exchanges.push(Exchange { message, outcome });
        }
        if talk.together
            && let Some(mut wire) = wire
            && let Some(answer) = wire.another().await
        {
            let message = Message::who(self.known.base()).called("an answer nobody asked for");
            exchanges.push(Exchange { message, outcome: Ok(answer) });
        }
        exchanges
    }

    /// An answer, and another try where the proxy says that it was too much at once.
    async fn patiently(&mut self, via: &Via, message: &Message, wire: &mut Option<Wire>) -> Outcome {
        loop {
            let outcome = self.once(via, message, wire).await;
            // A 503 without credentials may as well be a service that is not there.
            let throttled =
                |answer: &Answer| answer.status == 429 || (answer.status == 503 && message.signed);
            if self.waits >= WAITS || !outcome.as_ref().is_ok_and(throttled) {
                return outcome;
            }
            self.waits += 1;
            tokio::time::sleep(BREATH).await;
        }
    }

    async fn once(&self, via: &Via, message: &Message, wire: &mut Option<Wire>) -> Outcome {
        let signature = self.known.authorization.as_deref();
        let signature = signature.filter(|_| !matches!(via, Via::Own(Listen::Tcp(_) | Listen::Unix(_))));
        // One that was kept open may have been closed at the other end meanwhile: then another is tried, once.
        if let Some(mut kept) = wire.take() {
            let outcome = kept.ask(message, &self.known.authority, signature).await;
            if outcome.as_ref().err() != Some(&Gone::Closed) {
                *wire = Some(kept).filter(|kept| kept.open);
                return outcome;
            }
        }
        let stream = self.site.connect(via, b"http/1.1").await.map_err(|error| {
            tracing::debug!(%error, "no connection");
            Gone::Unreachable
        })?;
        let mut fresh = Wire::new(stream);
        let outcome = fresh.ask(message, &self.known.authority, signature).await;
        *wire = Some(fresh).filter(|fresh| fresh.open);
        outcome
    }

    async fn one(&mut self, via: &Via, message: Message) -> Outcome {
        let talk = Talk { via: via.clone(), together: false, messages: vec![message] };
        let exchange = self.talk(talk, "first").await.pop();
        exchange.map_or(Err(Gone::Unreachable), |exchange| exchange.outcome)
    }
}
