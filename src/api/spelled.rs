//! How the types of the table are spelled as JSON Schema, and in words for people.

use serde_json::{Value, json};

use super::{
    error::JSON,
    schema::{
        Field, Kind,
        Kind::{Any, File, Flag, Like, List, Number, Object, Of, One, Text, Time, Uuid},
        MEDIA, Media, SCHEMAS, Schema,
    },
};

/// The type of that name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Schema> {
    SCHEMAS.iter().find(|schema| schema.name == name)
}

/// The body of that name which is no JSON.
#[must_use]
pub fn media(name: &str) -> Option<&'static Media> {
    MEDIA.iter().find(|media| media.name == name)
}

/// What a body of that name is, as `OpenAPI` tells it: the media type, the schema and an example.
#[must_use]
pub fn content(name: &str) -> Value {
    let Some(media) = media(name) else {
        return json!({ JSON: { "schema": spelled(name), "example": example(name) } });
    };
    let inside = match (named(name), media.example) {
        (Some(_), _) => json!({ "schema": spelled(name) }),
        (None, "") => json!({}),
        (None, example) => json!({ "schema": { "type": "string" }, "example": example }),
    };
    json!({ media.kind: inside })
}

/// What a name in the table of routes says: `X`, `X[]` (a list) or `Page<X>` (a page of a list).
#[must_use]
pub fn base(gives: &str) -> &str {
    let inner = gives.strip_prefix("Page<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(gives);
    inner.strip_suffix("[]").unwrap_or(inner)
}

/// The same as JSON Schema.
#[must_use]
pub fn spelled(gives: &str) -> Value {
    let inner = json!({ "$ref": format!("#/components/schemas/{}", base(gives)) });
    match gives {
        list if list.ends_with("[]") => json!({ "type": "array", "items": inner }),
        page if page.starts_with("Page<") => json!({
            "type": "object",
            "required": ["count", "next", "previous", "results"],
            "properties": {
                "count": { "type": "integer", "description": "How many there are on all pages." },
                "next": { "type": ["string", "null"], "description": "The path of the page after it." },
                "previous": { "type": ["string", "null"], "description": "The path of the page before it." },
                "results": { "type": "array", "items": inner },
            },
        }),
        _ => inner,
    }
}

/// An example of it.
#[must_use]
pub fn example(gives: &str) -> Value {
    let one = named(base(gives)).and_then(|schema| serde_json::from_str(schema.example).ok());
    let one = one.unwrap_or(Value::Null);
    match gives {
        list if list.ends_with("[]") => json!([one]),
        page if page.starts_with("Page<") => {
            json!({ "count": 1, "next": null, "previous": null, "results": [one] })
        }
        _ => one,
    }
}

impl Schema {
    /// It as JSON Schema.
    #[must_use]
    pub fn document(&self) -> Value {
        let required: Vec<&str> =
            self.fields.iter().filter(|field| !field.optional).map(|field| field.name).collect();
        let fields = self.fields.iter().map(|field| (field.name.to_owned(), field.document()));
        json!({
            "type": "object",
            "description": self.doc,
            "required": required,
            "properties": fields.collect::<serde_json::Map<_, _>>(),
            "examples": [example(self.name)],
        })
    }
}

impl Field {
    fn document(&self) -> Value {
        let mut schema = self.kind.document();
        if self.null && !matches!(self.kind, Any) {
            schema = match schema["type"].as_str() {
                Some(kind) => {
                    schema["type"] = json!([kind, "null"]);
                    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                        words.push(Value::Null);
                    }
                    schema
                }
                None => json!({ "anyOf": [schema, { "type": "null" }] }),
            };
        }
        schema["description"] = self.doc.into();
        schema
    }

    /// What it holds, in a few words for people.
    #[must_use]
    pub fn words(&self) -> String {
        let null = if self.null { ", or null" } else { "" };
        self.kind.words() + null
    }
}

impl Kind {
    fn document(&self) -> Value {
        match self {
            Text(0) => json!({ "type": "string" }),
            Text(most) => json!({ "type": "string", "maxLength": most }),
            Like(pattern) => json!({ "type": "string", "pattern": pattern }),
            Uuid => json!({ "type": "string", "format": "uuid" }),
            Time => json!({ "type": "string", "format": "date-time" }),
            Number => json!({ "type": "integer", "format": "int32" }),
            Flag => json!({ "type": "boolean" }),
            One(words) => json!({ "type": "string", "enum": words }),
            List(inner) => json!({ "type": "array", "items": inner.document() }),
            Of(name) => spelled(name),
            File(media) => json!({ "type": "string", "contentMediaType": media }),
            Object => json!({ "type": "object" }),
            Any => json!({}),
        }
    }

    fn words(&self) -> String {
        match self {
            Text(0) => "text".into(),
            Text(most) => format!("text of at most {most} characters"),
            Like(pattern) => format!("text like `{}`", pattern.replace('|', "\\|")),
            Uuid => "UUID".into(),
            Time => "time, as `2026-01-31T09:00:00Z`".into(),
            Number => "whole number".into(),
            Flag => "true or false".into(),
            One(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
            List(inner) => format!("list of: {}", inner.words()),
            Of(name) => format!("[{name}](#{})", name.to_lowercase()),
            File(media) => format!("a file of `{media}`"),
            Object => "object".into(),
            Any => "anything".into(),
        }
    }
}
