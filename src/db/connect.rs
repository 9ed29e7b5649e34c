//! How the settings become what the driver connects with.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

use crate::config::{Database, Tls};
use crate::db::error::Error;

/// What the driver takes for "not set", and longer than most firewalls remember a connection.
const USUAL_KEEPALIVE: Duration = Duration::from_hours(2);

pub(super) fn config(settings: &Database) -> Result<Config, Error> {
    let url = settings.url.reveal();
    if url.is_empty() {
        return Err(Error::setup(
            "database.url is empty: set it to postgresql://user:password@host/name, or start with `kalends up`, \
             which brings a PostgreSQL of its own",
        ));
    }
    let mut config: Config = url.parse().map_err(|error| misread(&error))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        return Err(Error::setup("database.url names no host: write postgresql://user:password@host/name"));
    }
    if config.get_application_name().is_none() {
        config.application_name("kalends");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(*settings.connect_time);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(*settings.statement_time);
    }
    if config.get_keepalives_idle() == USUAL_KEEPALIVE {
        config.keepalives_idle(Duration::from_mins(1));
    }
    // Of several hosts only the primary will do.
    if config.get_hosts().len() > 1 && config.get_target_session_attrs() == TargetSessionAttrs::Any {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    // PgBouncer knows no options; there the timeouts belong to the role (ALTER ROLE … SET statement_timeout).
    if !settings.pgbouncer {
        config.options(options(config.get_options(), settings));
    }
    match settings.tls {
        Tls::Disable => config.ssl_mode(SslMode::Disable),
        // What the URL says may be more, or nothing for a reason.
        Tls::Prefer => &mut config,
        Tls::Require | Tls::VerifyFull => config.ssl_mode(SslMode::Require),
    };
    Ok(config)
}

// In the connect string and not by SET: a setting of the session would go on to whoever gets the connection next. One plan
// serves a statement for all values (tests/sql.rs): PostgreSQL would plan the longer ones anew each time, which costs it
// more than to run them. Nothing that a client waits for gains by being compiled.
fn options(given: Option<&str>, settings: &Database) -> String {
    let limit = settings.statement_time.as_millis();
    let ours = format!(
        "-c statement_timeout={limit} -c idle_in_transaction_session_timeout={limit} \
         -c plan_cache_mode=force_generic_plan -c jit=off"
    );
    given.map_or(ours.clone(), |given| format!("{ours} {given}"))
}

fn misread(error: &tokio_postgres::Error) -> Error {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let cure = if cause.contains("sslmode") {
        "sslmode knows disable, prefer and require; for more set database.tls = \"verify-full\""
    } else {
        "write postgresql://user:password@host/name, with special characters of the password as %40 and the like"
    };
    Error::Setup(format!("database.url is not understood ({cause}): {cure}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, change: impl FnOnce(&mut Database)) -> Result<Config, Error> {
        let mut settings = Database { url: url.to_owned().into(), ..Database::default() };
        change(&mut settings);
        config(&settings)
    }

    #[test]
    fn timeouts_go_along_with_the_connection() {
        let config = parse("postgresql://a@b/c?options=-c%20work_mem%3D8MB", |_| {}).unwrap();
        let options = config.get_options().unwrap();
        assert!(
            options.starts_with("-c statement_timeout=30000 -c idle_in_transaction_session_timeout=30000 ")
        );
        assert!(options.ends_with(" -c jit=off -c work_mem=8MB"), "{options}");
        assert_eq!(parse("postgresql://a@b/c", |s| s.pgbouncer = true).unwrap().get_options(), None);
    }

    #[test]
    fn of_several_hosts_the_primary() {
        let config = parse("postgresql://a@b:5432,c:5433/d", |_| {}).unwrap();
        assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        assert_eq!(config.get_ports(), [5432, 5433]);
        let one = parse("postgresql://a@b/c", |_| {}).unwrap();
        assert_eq!(one.get_target_session_attrs(), TargetSessionAttrs::Any);
    }

    #[test]
    fn the_setting_overrules_the_url_unless_it_only_prefers() {
        let mode = |url: &str, tls| parse(url, |s| s.tls = tls).unwrap().get_ssl_mode();
        assert_eq!(mode("postgresql://a@b/c?sslmode=require", Tls::Prefer), SslMode::Require);
        assert_eq!(mode("postgresql://a@b/c?sslmode=disable", Tls::Prefer), SslMode::Disable);
        assert_eq!(mode("postgresql://a@b/c?sslmode=disable", Tls::VerifyFull), SslMode::Require);
        assert_eq!(mode("postgresql://a@b/c", Tls::Disable), SslMode::Disable);
    }

    #[test]
    fn what_is_wrong_with_a_url_comes_with_the_cure() {
        let says = |url: &str| parse(url, |_| {}).unwrap_err().to_string();
        assert!(says("").contains("kalends up"));
        assert!(says("postgresql://a@b/c?sslmode=verify-full").contains("database.tls"));
        assert!(says("dbname=x").contains("names no host"));
        assert!(says("postgresql://a@b:port/c").contains("not understood"));
    }
}
