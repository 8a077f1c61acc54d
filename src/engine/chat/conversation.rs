//! Messages in the JSON form of the `OpenAI` API, and the files they come in.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// One message: an object with a `role`, mostly with `content` (text, or a list of parts), and whatever else the model's
/// template reads (`tool_calls`, `name`, `reasoning_content`, …).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Json>", into = "Map<String, Json>")]
pub struct Message(Map<String, Json>);

/// A conversation as a file holds it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conversation {
    /// The messages.
    pub messages: Vec<Message>,
    /// Tools that the file names, too.
    pub tools: Option<Vec<Json>>,
}

/// Why JSON is not a conversation.
#[derive(Debug, thiserror::Error)]
pub enum ConversationError {
    /// Not JSON at all.
    #[error("not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// JSON, but something else.
    #[error("expected a list of messages, or an object with `messages`; found {0}")]
    NotMessages(&'static str),
    /// An object with a key that is not known.
    #[error("unknown key `{0}`; an object may have `messages` and `tools`")]
    UnknownKey(String),
    /// `tools` is not a list.
    #[error("`tools` must be a list; found {0}")]
    ToolsNotList(&'static str),
    /// A message that is not one.
    #[error("message {number}: {reason}")]
    BadMessage {
        /// Its place in the list, from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// The names under which a message's reasoning is passed; templates read the first, some the second.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

impl Message {
    /// A message of plain text.
    #[must_use]
    pub fn new(role: &str, content: &str) -> Self {
        Self(Map::from_iter([("role".to_owned(), role.into()), ("content".to_owned(), content.into())]))
    }

    /// Who speaks.
    #[must_use]
    pub fn role(&self) -> &str {
        self.0.get("role").and_then(Json::as_str).unwrap_or_default()
    }

    /// All fields.
    #[must_use]
    pub fn fields(&self) -> &Map<String, Json> {
        &self.0
    }

    /// The fields with the reasoning under every name that templates read it by, as transformers passes it.
    pub(super) fn with_reasoning(&self) -> std::borrow::Cow<'_, Map<String, Json>> {
        let Some(reasoning) = REASONING.iter().filter_map(|name| self.0.get(*name)).find(|value| !value.is_null())
        else {
            return std::borrow::Cow::Borrowed(&self.0);
        };
        let mut fields = Map::from_iter([("thinking".to_owned(), reasoning.clone())]);
        fields.extend(self.0.clone());
        fields.insert("reasoning_content".to_owned(), reasoning.clone());
        std::borrow::Cow::Owned(fields)
    }
}

impl TryFrom<Map<String, Json>> for Message {
    type Error = String;

    fn try_from(fields: Map<String, Json>) -> Result<Self, String> {
        match fields.get("role") {
            Some(Json::String(_)) => Ok(Self(fields)),
            Some(other) => Err(format!("`role` must be text; found {}", kind(other))),
            None => Err("it has no `role`".to_owned()),
        }
    }
}

impl From<Message> for Map<String, Json> {
    fn from(message: Message) -> Self {
        message.0
    }
}

impl Conversation {
    /// Reads a list of messages, or an object with `messages` and perhaps `tools`.
    ///
    /// # Errors
    /// What is wrong with the text, and at which message.
    pub fn parse(text: &str) -> Result<Self, ConversationError> {
        match serde_json::from_str(text)? {
            Json::Array(messages) => Ok(Self { messages: read_messages(messages)?, tools: None }),
            Json::Object(mut object) => {
                let messages = match object.remove("messages") {
                    Some(Json::Array(messages)) => read_messages(messages)?,
                    Some(other) => return Err(ConversationError::NotMessages(kind(&other))),
                    None => return Err(ConversationError::NotMessages("an object without them")),
                };
                let tools = object.remove("tools").map(read_tools).transpose()?;
                object
                    .keys()
                    .next()
                    .map_or(Ok(Self { messages, tools }), |key| Err(ConversationError::UnknownKey(key.clone())))
            }
            other => Err(ConversationError::NotMessages(kind(&other))),
        }
    }
}

/// Reads a list of tools.
fn read_tools(tools: Json) -> Result<Vec<Json>, ConversationError> {
    match tools {
        Json::Array(tools) => Ok(tools),
        other => Err(ConversationError::ToolsNotList(kind(&other))),
    }
}

fn read_messages(messages: Vec<Json>) -> Result<Vec<Message>, ConversationError> {
    let read = |(index, message)| {
        let result = match message {
            Json::Object(fields) => Message::try_from(fields),
            other => Err(format!("it must be an object; found {}", kind(&other))),
        };
        result.map_err(|reason| ConversationError::BadMessage { number: index + 1, reason })
    };
    messages.into_iter().enumerate().map(read).collect()
}

/// What a JSON value is, in words.
fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}
