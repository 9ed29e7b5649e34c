//! What web pages are told of this installation: a fixed set of keys, each with a default, and a theme.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use crate::{
    config::Settings,
    front::{Response, Status},
};

use super::{
    error::Result,
    service::{Call, json},
};

/// How long what the files say is taken as they said it.
const AGE: Duration = Duration::from_secs(10);
/// Octets of a file.
const MOST: u64 = 1 << 20;

/// The keys, and what they say where nobody says otherwise.
fn defaults() -> Value {
    json!({
        "FRONTEND_THEME": null,
        "FRONTEND_MORE_LINK": null,
        "FRONTEND_FEEDBACK_BUTTON_SHOW": false,
        "FRONTEND_FEEDBACK_BUTTON_IDLE": false,
        "FRONTEND_FEEDBACK_ITEMS": {},
        "FRONTEND_FEEDBACK_MESSAGES_WIDGET_ENABLED": false,
        "FRONTEND_FEEDBACK_MESSAGES_WIDGET_API_URL": null,
        "FRONTEND_FEEDBACK_MESSAGES_WIDGET_CHANNEL": null,
        "FRONTEND_FEEDBACK_MESSAGES_WIDGET_PATH": null,
        "FRONTEND_HIDE_GAUFRE": false,
        "MEDIA_BASE_URL": null,
        "LANGUAGES": [["en-us", "English"], ["fr-fr", "Fran\u{e7}ais"], ["de-de", "Deutsch"], ["nl-nl", "Nederlands"]],
        "LANGUAGE_CODE": "en-us",
        "SENTRY_DSN": null,
    })
}

/// What is told, read again now and then.
pub struct Site {
    environment: String,
    config: PathBuf,
    theme: PathBuf,
    told: Mutex<Option<(Value, Instant)>>,
}

impl Site {
    /// That of these settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let api = &settings.api;
        Self {
            environment: api.environment.clone(),
            config: api.config_file.clone(),
            theme: api.theme_file.clone(),
            told: Mutex::default(),
        }
    }

    /// All of it.
    pub async fn told(&self) -> Value {
        let known = |told: &Option<(Value, Instant)>| {
            told.as_ref().filter(|(_, since)| since.elapsed() < AGE).map(|(value, _)| value.clone())
        };
        if let Some(value) = known(&self.told.lock().unwrap_or_else(PoisonError::into_inner)) {
            return value;
        }
        let mut value = defaults();
        let said = object(&self.config, "api.config_file").await;
        if let Value::Object(keys) = &mut value {
            for (key, new) in said {
                match keys.get_mut(&key) {
                    Some(old) => *old = new,
                    None => tracing::warn!(%key, "api.config_file has a key that is not known"),
                }
            }
            keys.insert("ENVIRONMENT".into(), self.environment.clone().into());
            keys.insert("theme_customization".into(), object(&self.theme, "api.theme_file").await.into());
        }
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some((value.clone(), Instant::now()));
        value
    }

    /// The languages that may be chosen, by their codes.
    pub async fn languages(&self) -> Vec<String> {
        let told = self.told().await;
        let all = told["LANGUAGES"].as_array().cloned().unwrap_or_default();
        all.iter().filter_map(|pair| pair[0].as_str().map(str::to_owned)).collect()
    }

    /// The language of who chose none.
    pub async fn language(&self) -> String {
        self.told().await["LANGUAGE_CODE"].as_str().unwrap_or("en-us").to_owned()
    }
}

/// `GET config/`
pub async fn config(call: &Call) -> Result<Response> {
    Ok(json(Status::OK, &call.shared.site.told().await))
}

/// The object in a file; one without keys where there is none, and the log says why.
async fn object(path: &Path, key: &str) -> Map<String, Value> {
    if path.as_os_str().is_empty() {
        return Map::new();
    }
    let read = async {
        let length = tokio::fs::metadata(path).await.map_err(|error| error.to_string())?.len();
        if length > MOST {
            return Err(format!("it is longer than {MOST} octets"));
        }
        let text = tokio::fs::read(path).await.map_err(|error| error.to_string())?;
        serde_json::from_slice(&text).map_err(|error| error.to_string())
    };
    read.await.unwrap_or_else(|why| {
        tracing::error!(%why, "{key} is passed over");
        Map::new()
    })
}
