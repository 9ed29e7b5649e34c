//! The command line of kalends: what was typed becomes a command of [`kalends::boot`].

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, builder::PossibleValuesParser};
use kalends::boot::{self, users};

/// A lean CalDAV server for sites with single sign-on.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  kalends up                                  everything, with a PostgreSQL of its own: to try it, or for a small site
  kalends serve --config /etc/kalends.toml    the service, with the PostgreSQL that database.url names
  kalends check --config /etc/kalends.toml    says what is wrong with the settings and the database, and the cure
  KALENDS__SERVER__LISTEN=unix:/run/kalends/http.sock kalends serve
                                              every setting can come from the environment
  kalends list settings                       all settings, with what they mean";

#[derive(Subcommand)]
enum Command {
    /// Starts everything: a private PostgreSQL, its migrations, the service.
    Up(From),
    /// Starts the service; the database is the one that database.url names.
    Serve(From),
    /// Brings the database to the state that this version needs, and ends.
    Migrate(From),
    /// Says what is wrong with the settings and the database, and how to mend it.
    Check(From),
    /// Who there is, who is let in, and what they are called.
    #[command(subcommand, after_help = USERS)]
    User(User),
    /// Prints what the server knows: methods, reports, properties, conditions, features, settings.
    List {
        /// Which table; all but the settings if none is named.
        #[arg(value_parser = PossibleValuesParser::new(boot::TABLES))]
        table: Option<String>,
    },
}

const USERS: &str = "\
People are made when they first sign in at the proxy: there is nothing to add. Names are typed as people
write them, or as the list has them. What is changed counts from the next request on, on every node.

  kalends user list --config /etc/kalends.toml
  kalends user disable alice              she has left: 403 however she comes; her calendars stay
  kalends user rename alice alice.2019    before alice is given to somebody else: hers stay hers

Somebody listed as alice/12 had the name that the proxy has given to another person; `rename` gives
them a new one.";

#[derive(Subcommand)]
enum User {
    /// Everybody: name, state, e-mail address, subject.
    List(From),
    /// Lets nobody in as that person; nothing of theirs is deleted.
    Disable {
        /// The user's name.
        name: String,
        #[command(flatten)]
        from: From,
    },
    /// Lets that person in again.
    Enable {
        /// The user's name.
        name: String,
        #[command(flatten)]
        from: From,
    },
    /// Gives that person's calendars another user name.
    Rename {
        /// The user's name until now.
        name: String,
        /// The name to come; it must be free.
        new: String,
        #[command(flatten)]
        from: From,
    },
}

#[derive(clap::Args)]
struct From {
    /// The file of settings, in TOML; without it the defaults and the environment are all.
    #[arg(long, short, env = "KALENDS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Up(from) => boot::up(from.config.as_deref()),
        Command::Serve(from) => boot::serve(from.config.as_deref()),
        Command::Migrate(from) => boot::migrate(from.config.as_deref()),
        Command::Check(from) => boot::check(from.config.as_deref()),
        Command::User(User::List(from)) => users::list(from.config.as_deref()),
        Command::User(User::Disable { name, from }) => users::disable(from.config.as_deref(), &name),
        Command::User(User::Enable { name, from }) => users::enable(from.config.as_deref(), &name),
        Command::User(User::Rename { name, new, from }) => users::rename(from.config.as_deref(), &name, &new),
        Command::List { table } => {
            print!("{}", boot::list(table.as_deref()));
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kalends: {error:#}");
            ExitCode::FAILURE
        }
    }
}
