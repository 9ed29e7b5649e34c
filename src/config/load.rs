//! Reading the settings: the file, then the environment, then the files that secrets lie in; every fault is
//! found in one go and named by its key.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat, Value, ValueKind};

use crate::config::kind::{Kind, Secret};
use crate::config::settings::{SECTIONS, Settings, settings};

type Table = config::Map<String, Value>;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The setting, as in `limits.body_bytes`.
    pub key: String,
    /// Where it was written: a file, or a variable of the environment.
    pub place: Option<String>,
    /// What is wrong and what would mend it; a sentence whose subject is the key.
    pub text: String,
}

impl Fault {
    /// Something wrong with a setting, wherever it was written.
    pub fn new(key: &str, text: impl Into<String>) -> Self {
        Self { key: key.into(), place: None, text: text.into() }
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.text)?;
        self.place.as_ref().map_or(Ok(()), |place| write!(f, " ({place})"))
    }
}

/// Why there are no settings.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be read or is not TOML.
    File(String),
    /// Everything that is wrong with what is set.
    Faults(Vec<Fault>),
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(text) => f.write_str(text),
            Self::Faults(faults) => {
                f.write_str("the settings are wrong:")?;
                faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
            }
        }
    }
}

impl Settings {
    /// The settings of a file (none: the defaults) and of this process's environment, checked.
    pub fn load(path: Option<&Path>) -> Result<Self, Error> {
        let variables = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()));
        Self::load_from(path, variables.collect())
    }

    /// The same with a given environment.
    pub fn load_from(path: Option<&Path>, variables: HashMap<String, String>) -> Result<Self, Error> {
        let credentials = variables.get("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let mut faults = misspelt(&variables);
        let empty = empty_variable(&variables);
        let values = sources(path, variables)?.cache.into_table().unwrap_or_default();
        faults.extend(empty.or_else(|| empty_secret(&values)));
        let mut reader = Reader { values, faults };
        let mut settings = Self::read(&mut reader);
        let mut faults = reader.finish();
        settings.find_files(credentials.as_deref());
        settings.read_secrets(credentials.as_deref(), &mut faults);
        faults.extend(settings.faults());
        if faults.is_empty() { Ok(settings) } else { Err(Error::Faults(faults)) }
    }

    /// Files that systemd may hand over: their relative paths lie in its credentials directory.
    fn find_files(&mut self, credentials: Option<&Path>) {
        let Self { server, token, trace, api, entitlements, .. } = self;
        let files = [
            &mut server.tls_certificate,
            &mut server.tls_key,
            &mut server.tls_client_ca,
            &mut token.keys_file,
            &mut token.ca_file,
            &mut trace.ca_file,
            &mut api.config_file,
            &mut api.theme_file,
            &mut entitlements.ca_file,
        ];
        for file in files.into_iter().filter(|file| !file.as_os_str().is_empty()) {
            *file = credentials.unwrap_or(Path::new("")).join(&file);
        }
    }

    fn read_secrets(&mut self, credentials: Option<&Path>, faults: &mut Vec<Fault>) {
        let Self { identity, database, entitlements, .. } = self;
        for (key, secret, file) in [
            ("identity.secret", &mut identity.secret, &identity.secret_file),
            ("identity.previous_secret", &mut identity.previous_secret, &identity.previous_secret_file),
            ("database.url", &mut database.url, &database.url_file),
            ("entitlements.token", &mut entitlements.token, &entitlements.token_file),
        ] {
            if file.as_os_str().is_empty() {
                continue;
            }
            if !secret.is_empty() {
                faults.push(Fault::new(key, "is given twice: here and in its file; remove one"));
                continue;
            }
            let path = credentials.unwrap_or(Path::new("")).join(file);
            match std::fs::read_to_string(&path) {
                Ok(text) if text.trim_end().is_empty() => {
                    faults.push(Fault::new(
                        &format!("{key}_file"),
                        format!("names {}, which is empty", path.display()),
                    ));
                }
                Ok(text) => *secret = Secret::from(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(error) => faults.push(Fault::new(
                    &format!("{key}_file"),
                    format!("names {}, but: {error}", path.display()),
                )),
            }
        }
    }
}

/// What the table of settings is read from; a value that was read is taken out.
pub(super) struct Reader {
    values: Table,
    faults: Vec<Fault>,
}

impl Reader {
    /// Puts what is set for `section.name` over its default.
    pub(super) fn field<T: Kind>(&mut self, section: &str, name: &str, field: &mut T) {
        let Some(ValueKind::Table(fields)) = self.values.get_mut(section).map(|value| &mut value.kind) else {
            return;
        };
        let Some(value) = fields.remove(name) else { return };
        let key = format!("{section}.{name}");
        let place = place(&key, &value);
        match T::read(value, field) {
            Ok(read) => *field = read,
            Err(text) => self.faults.push(Fault { key, place: Some(place), text }),
        }
    }

    /// The faults, with those of the names that no setting has.
    fn finish(self) -> Vec<Fault> {
        let Self { values, mut faults } = self;
        let sections: Vec<_> = SECTIONS.iter().map(|(name, _)| *name).collect();
        for (section, value) in values {
            match &value.kind {
                ValueKind::Table(fields) if sections.contains(&section.as_str()) => {
                    faults.extend(fields.iter().map(|(name, value)| {
                        let key = format!("{section}.{name}");
                        let text = format!("is not a setting{}", nearest(&key));
                        Fault { place: Some(place(&key, value)), key, text }
                    }));
                }
                _ => {
                    let text = format!("is not a section; there are {}", sections.join(", "));
                    faults.push(Fault { place: Some(place(&section, &value)), key: section, text });
                }
            }
        }
        faults.sort_by(|one, other| one.key.cmp(&other.key));
        faults
    }
}

fn sources(path: Option<&Path>, variables: HashMap<String, String>) -> Result<Config, Error> {
    let mut builder = Config::builder();
    if let Some(path) = path {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::File(format!("cannot read the settings in {}: {error}", path.display()))
        })?;
        toml(&text).map_err(|error| {
            Error::File(format!("{} is not TOML: {}", path.display(), without_source(&error)))
        })?;
        builder = builder.add_source(File::from(path).format(FileFormat::Toml));
    }
    // No `try_parsing`: it would take the zeros off a secret of digits.
    let environment =
        Environment::with_prefix("KALENDS").prefix_separator("__").separator("__").ignore_empty(true);
    let built = builder.add_source(environment.source(Some(variables.into_iter().collect()))).build();
    built.map_err(|error| Error::File(error.to_string()))
}

fn toml(text: &str) -> Result<Config, config::ConfigError> {
    Config::builder().add_source(File::from_str(text, FileFormat::Toml)).build()
}

/// The parser's words without the lines of the file: one of them may hold a secret.
fn without_source(error: &config::ConfigError) -> String {
    let text = error.to_string();
    let is_source =
        |line: &&str| line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()).starts_with('|');
    let lines = text.lines().filter(|line| !is_source(line)).map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(": ")
}

/// Who names a secret and gives none means to have one: a template that was not filled in must not open the door.
const EMPTY: &str =
    "is set and empty, as if nobody had to prove anything: give it a value, or take the line out";

fn empty_secret(values: &Table) -> Option<Fault> {
    let ValueKind::Table(identity) = &values.get("identity")?.kind else { return None };
    let secret = identity.get("secret")?;
    let empty = matches!(&secret.kind, ValueKind::String(text) if text.trim().is_empty());
    empty.then(|| Fault {
        place: Some(place("identity.secret", secret)),
        ..Fault::new("identity.secret", EMPTY)
    })
}

fn empty_variable(variables: &HashMap<String, String>) -> Option<Fault> {
    let (name, _) = variables.iter().find(|(name, value)| {
        name.eq_ignore_ascii_case("KALENDS__IDENTITY__SECRET") && value.trim().is_empty()
    })?;
    Some(Fault { place: Some(name.clone()), ..Fault::new("identity.secret", EMPTY) })
}

/// The known name that shares most with a mistaken one.
fn nearest(key: &str) -> String {
    let letters = |text: &str| text.bytes().filter(u8::is_ascii_alphanumeric).collect::<Vec<_>>();
    let alike = |name: &str| {
        let common = key.bytes().zip(name.bytes()).take_while(|(one, other)| one == other).count();
        letters(name) == letters(key) || common + 2 >= key.len().max(name.len())
    };
    let found = settings().into_iter().map(|row| row.key).find(|name| alike(name));
    found.map_or(String::new(), |name| format!("; did you mean {name}?"))
}

/// Variables with one underscore where two belong.
fn misspelt(variables: &HashMap<String, String>) -> Vec<Fault> {
    let mut faults: Vec<Fault> = settings()
        .iter()
        .map(|row| (row, format!("KALENDS_{}", row.key.replace('.', "_").to_uppercase())))
        .filter(|(_, wrong)| variables.contains_key(wrong))
        .map(|(row, wrong)| Fault {
            key: row.key.clone(),
            place: Some(wrong),
            text: format!("is set by a variable with single underscores: write {}", row.variable()),
        })
        .collect();
    faults.sort_by(|one, other| one.key.cmp(&other.key));
    faults
}

fn place(key: &str, value: &Value) -> String {
    match value.origin() {
        Some("the environment") => format!("KALENDS__{}", key.replace('.', "__").to_uppercase()),
        Some(file) => format!("in {file}"),
        None => "in the file".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
        let name = format!("kalends-{}-{:?}.toml", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, file).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let loaded = Settings::load_from(Some(&path), variables).map_err(|error| error.to_string());
        std::fs::remove_file(&path).unwrap();
        loaded
    }

    #[test]
    fn the_environment_wins_over_the_file_and_an_empty_variable_over_nothing() {
        let file =
            "[limits]\nrequests = 7\nheaders = 90\nbody_bytes = \"2 MiB\"\n[server]\nlisten = [\"unix:/x\"]";
        let settings =
            load(file, &[("KALENDS__LIMITS__REQUESTS", "8"), ("KALENDS__LIMITS__HEADERS", "")]).unwrap();
        assert_eq!((settings.limits.requests, settings.limits.headers), (8, 90));
        assert_eq!(*settings.limits.body_bytes, 2 << 20);
        assert_eq!(settings.server.listen.len(), 1);
    }

    #[test]
    fn all_faults_come_at_once_with_key_place_and_cure() {
        let file = "[limits]\nrequests = \"many\"\nbody_byte = 1\n[limit]\nx = 1";
        let text = load(file, &[("KALENDS__LOG__LEVEL", "loud"), ("KALENDS_DATABASE_URL", "x")]).unwrap_err();
        for part in [
            "limits.requests is \"many\", which is not a number: write a whole number, 0 or more (in ",
            "limits.body_byte is not a setting; did you mean limits.body_bytes?",
            "limit is not a section",
            "log.level is \"loud\", which is not a word: write error, warn, info, debug or trace (KALENDS__LOG__LEVEL)",
            "write KALENDS__DATABASE__URL (KALENDS_DATABASE_URL)",
        ] {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }

    #[test]
    fn what_is_not_toml_is_told_with_its_line() {
        assert!(load("[limits\n", &[]).unwrap_err().contains("is not TOML"));
        assert!(matches!(
            Settings::load_from(Some(Path::new("/nowhere")), HashMap::new()),
            Err(Error::File(_))
        ));
    }

    #[test]
    fn secrets_keep_their_zeros_and_come_from_credentials() {
        let settings = load("", &[("KALENDS__IDENTITY__SECRET", "0001234567890123")]).unwrap();
        assert_eq!(settings.identity.secret.reveal(), "0001234567890123");

        let folder = std::env::temp_dir().join(format!("kalends-credentials-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("proxy"), "a-secret-of-the-proxy\n").unwrap();
        let variables = [
            ("CREDENTIALS_DIRECTORY", folder.to_str().unwrap()),
            ("KALENDS__IDENTITY__SECRET_FILE", "proxy"),
        ];
        assert_eq!(load("", &variables).unwrap().identity.secret.reveal(), "a-secret-of-the-proxy");
        let twice = load("[identity]\nsecret = \"0001234567890123\"", &variables).unwrap_err();
        assert!(twice.contains("identity.secret is given twice"), "{twice}");
        let keys = [
            variables[0],
            ("KALENDS__SERVER__TLS_KEY", "key.pem"),
            ("KALENDS__SERVER__TLS_CERTIFICATE", "/c"),
        ];
        let server = load("", &keys).unwrap().server;
        assert_eq!((server.tls_key, server.tls_certificate), (folder.join("key.pem"), "/c".into()));
        for (text, why) in [
            ("", "which is empty"),
            (" \n\r\n", "which is empty"),
            ("short\n", "identity.secret is too short"),
            ("a secret with spaces in it\n", "characters that a header cannot carry"),
            ("sixteen-letters-\u{e9}\n", "characters that a header cannot carry"),
            ("sixteen-letters-\0\n", "characters that a header cannot carry"),
        ] {
            std::fs::write(folder.join("proxy"), text).unwrap();
            let said = load("", &variables).unwrap_err();
            assert!(said.contains(why) && !said.contains("letters-"), "{text:?}: {said}");
        }
        std::fs::write(folder.join("proxy"), b"sixteen-letters-\xff").unwrap();
        assert!(load("", &variables).unwrap_err().contains("identity.secret_file names "));
        std::fs::remove_file(folder.join("proxy")).unwrap();
        std::fs::create_dir(folder.join("proxy")).unwrap();
        assert!(load("", &variables).unwrap_err().contains("identity.secret_file names "));
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(load("", &variables).unwrap_err().contains("identity.secret_file names "));
    }

    #[test]
    fn a_secret_that_is_named_is_given() {
        for (file, variables) in [
            ("[identity]\nsecret = \"\"", &[][..]),
            ("[identity]\nsecret = \"  \"", &[]),
            ("", &[("KALENDS__IDENTITY__SECRET", "")]),
            ("", &[("KALENDS__IDENTITY__SECRET", " ")]),
            ("", &[("kalends__identity__secret", "")]),
            ("[identity]\nsecret = \"0123456789abcdef\"", &[("KALENDS__IDENTITY__SECRET", "")]),
        ] {
            let said = load(file, variables).unwrap_err();
            assert!(said.contains("identity.secret is set and empty"), "{file} {variables:?}: {said}");
        }
        let short = load("[identity]\nsecret = \"0123456789abcde\"", &[]).unwrap_err();
        assert!(short.contains("identity.secret is too short") && !short.contains("012345"), "{short}");
        assert!(load("", &[("KALENDS__DATABASE__URL", "")]).is_ok());
    }

    #[test]
    fn no_complaint_repeats_a_secret() {
        for file in [
            "[identity]\nsecret = hush-0123456789\n",
            "[identity]\nsecret = \"hush-0123456789\n",
            "[identity]\nsecret = \"hush-0123456789\"\nsecret = \"hush-0123456789\"\n",
            "[identity]\nsecret = \"hush-\\q0123456789\"\n",
            "[identity\nsecret = \"hush-0123456789\"\n",
            "[identity]\nsecret = [\"hush-0123456789\"]\n",
            "[identity]\nsecret = { x = \"hush-0123456789\" }\n",
            "[identity]\nsecrets = \"hush-0123456789\"\n",
            "identity = \"hush-0123456789\"\n",
            "[database]\nurl = postgresql://kalends:hush-0123456789@host/x\n",
        ] {
            let said = load(file, &[]).unwrap_err();
            assert!(!said.contains("hush") && !said.contains("0123"), "{file}: {said}");
        }
        let said = load("[identity]\n\n\nsecret = hush\n", &[]).unwrap_err();
        assert!(
            said.contains("is not TOML: TOML parse error at line 4, column 10: string values must be"),
            "{said}"
        );
    }
}
