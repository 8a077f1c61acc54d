//! Chat templates against the texts that Python's jinja2 gives, feature by feature, and the templates that fail.
//!
//! `tests/template_cases.json` holds the templates and jinja2's texts; `benches/parity/templates.py --cases` checks them
//! against jinja2 itself.

use jiff::civil::date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sweetspot::engine::ModelInfo;
use sweetspot::engine::chat::{ChatError, ChatTemplate, Conversation, Message, ModelTemplates, RenderInput};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    template: String,
    variables: Map<String, Value>,
    /// None where jinja2 fails.
    expected: Option<String>,
}

fn input() -> RenderInput {
    let messages = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": " Hi "},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]},
    ]);
    RenderInput {
        bos_token: Some("<s>".to_owned()),
        eos_token: Some("</s>".to_owned()),
        now: Some(date(2026, 1, 31).at(12, 34, 56, 0).to_zoned(TimeZone::UTC).unwrap()),
        ..RenderInput::new(Conversation::parse(&messages.to_string()).unwrap().messages)
    }
}

fn render(template: &str, input: &RenderInput) -> Result<String, ChatError> {
    ChatTemplate::from_source("test.jinja", template).and_then(|template| template.render(input))
}

#[test]
fn every_feature_that_templates_use_renders_as_in_python() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("template_cases.json")).unwrap();
    assert!(cases.len() > 80, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for mut case in cases {
        let mut input = input();
        if let Some(messages) = case.variables.remove("messages") {
            input.messages = Conversation::parse(&messages.to_string()).unwrap().messages;
        }
        input.extra = case.variables;
        let rendered = render(&case.template, &input);
        if rendered.as_ref().ok() != case.expected.as_ref() {
            wrong.push(format!("{}\n  expected {:?}\n  rendered {rendered:?}", case.name, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_template_that_is_not_one_is_an_error_with_its_name_and_line() {
    let error = ChatTemplate::from_source("model.gguf", "a\nb\n{% if x %}\nc\n{{ 'd' }\n").unwrap_err();
    assert!(matches!(&error, ChatError::Syntax { line: 5, .. }), "{error:?}");
    assert!(
        error.to_string().starts_with("model.gguf: line 5: the chat template is not valid: syntax error"),
        "{error}"
    );
}

#[test]
fn what_a_template_raises_is_told_with_the_line_that_raises_it() {
    let template = "{% macro check(m) %}\n{% if m.role == 'user' %}\n{{ raise_exception('no users, ' ~ m.content | trim) }}\n\
                    {% endif %}{% endmacro %}\n{% for m in messages %}{{ check(m) }}{% endfor %}";
    let error = render(template, &input()).unwrap_err();
    assert!(matches!(&error, ChatError::Raised { line: 3, message, .. } if message == "no users, Hi"), "{error:?}");
    assert_eq!(error.to_string(), "test.jinja: line 3: the chat template refuses this conversation: no users, Hi");
}

#[test]
fn a_template_that_cannot_go_on_says_what_is_undefined_and_where() {
    let error = render("{% for m in messages %}\n{{ m.author.name }}{% endfor %}", &input()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(&error, ChatError::Failed { line: 2, .. }), "{error:?}");
    assert!(text.contains("test.jinja: line 2") && text.contains("`m.author` is undefined"), "{text}");
}

#[test]
fn without_tokens_and_a_time_the_tokens_are_undefined_and_the_time_is_now() {
    let year = jiff::Zoned::now().year();
    let input = RenderInput::new(vec![Message::new("user", "x")]);
    let text = render("{{ bos_token is defined }}{{ eos_token is defined }} {{ strftime_now('%Y') }}", &input).unwrap();
    assert!([year, year + 1].iter().any(|year| text == format!("FalseFalse {year}")), "{text}");
}

fn templates(default: Option<&str>, named: &[(&str, &str)]) -> ModelTemplates {
    ModelTemplates {
        model: "m.gguf".to_owned(),
        default: default.map(str::to_owned),
        named: named.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned())).collect(),
        ..ModelTemplates::default()
    }
}

#[test]
fn with_tools_the_template_for_tools_is_chosen_where_there_is_one() {
    let model = templates(Some("plain"), &[("rag", "documents"), ("tool_use", "tools")]);
    let text = |tools| model.choose(tools).unwrap().render(&input()).unwrap();
    assert_eq!((text(true), text(false)), ("tools".to_owned(), "plain".to_owned()));
    assert_eq!(templates(Some("plain"), &[]).choose(true).unwrap().name(), "m.gguf: tokenizer.chat_template");
    assert_eq!(model.choose_named("rag").unwrap().name(), "m.gguf: tokenizer.chat_template.rag");
    assert_eq!(model.choose_named("default").unwrap().render(&input()).unwrap(), "plain");
}

#[test]
fn a_model_with_named_templates_alone_gives_its_default_or_its_first_one() {
    let only_named = templates(None, &[("rag", "r"), ("default", "d")]);
    assert_eq!(only_named.choose(false).unwrap().render(&input()).unwrap(), "d");
    assert_eq!(templates(None, &[("rag", "r")]).choose(false).unwrap().render(&input()).unwrap(), "r");
}

#[test]
fn an_unknown_template_name_is_refused_with_the_known_ones() {
    let error = templates(Some("plain"), &[("rag", "r")]).choose_named("chat").unwrap_err();
    assert_eq!(error.to_string(), "m.gguf: no chat template named 'chat'; it has: default, rag");
}

#[test]
fn a_model_without_a_template_gets_chatml_and_says_so() {
    let template = templates(None, &[]).choose(true).unwrap();
    assert!(template.is_fallback() && template.name().contains("ChatML"));
    let parts = json!([
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": null},
        {"role": "user", "content": " c\n"},
    ]);
    let mut input = RenderInput::new(Conversation::parse(&parts.to_string()).unwrap().messages);
    let prompt =
        "<|im_start|>user\nab<|im_end|>\n<|im_start|>assistant\n<|im_end|>\n<|im_start|>user\n c\n<|im_end|>\n";
    assert_eq!(template.render(&input).unwrap(), format!("{prompt}<|im_start|>assistant\n"));
    input.add_generation_prompt = false;
    assert_eq!(template.render(&input).unwrap(), prompt);
    assert!(templates(Some(" \n"), &[]).choose(false).unwrap().is_fallback());
    assert!(!templates(Some("x"), &[]).choose(false).unwrap().is_fallback());
}

#[test]
fn a_compiled_template_renders_the_same_again_and_from_many_threads() {
    let template = ChatTemplate::from_source("t", "{% for m in messages[::-1] %}{{ m.content }}|{% endfor %}").unwrap();
    let first = template.render(&input()).unwrap();
    assert_eq!(first, "None| Hi |Be brief.|");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| assert_eq!(template.render(&input()).unwrap(), first)));
        }
    });
}

fn model_info() -> ModelInfo {
    ModelInfo {
        name: "Tiny".to_owned(),
        architecture: "llama".to_owned(),
        description: "llama 1M F16".to_owned(),
        quantization: "F16".to_owned(),
        size_bytes: 1,
        n_params: 1,
        n_layer: 1,
        n_embd: 1,
        n_head: 1,
        n_head_kv: 1,
        head_size: 64,
        n_vocab: 1,
        n_ctx_train: 1,
        bos: Some(1),
        adds_bos: true,
        bos_text: "<s>".to_owned(),
        eos_text: String::new(),
        chat_template: Some("{{ bos_token }}{{ eos_token is defined }}{{ messages[0].content }}".to_owned()),
        named_templates: vec![("tool_use".to_owned(), "{{ tools[0].name }}".to_owned())],
        synthetic: false,
    }
}

#[test]
fn a_loaded_models_template_renders_with_its_own_tokens() {
    let info = model_info();
    let mut input = RenderInput::new(vec![Message::new("user", "hi")]).with_tokens_of(&info);
    let template = ChatTemplate::for_model(&info, false).unwrap();
    assert_eq!(template.name(), "Tiny: tokenizer.chat_template");
    assert_eq!(template.render(&input).unwrap(), "<s>Falsehi");
    input.tools = Some(vec![json!({"name": "search"})]);
    assert_eq!(ChatTemplate::for_model(&info, true).unwrap().render(&input).unwrap(), "search");
}

#[test]
fn what_is_no_conversation_is_refused_with_the_place_and_the_reason() {
    for (text, says) in [
        ("{", "not JSON: EOF"),
        ("3", "expected a list of messages, or an object with `messages`; found a number"),
        (r#"{"tools": []}"#, "found an object without them"),
        (r#"{"messages": "x"}"#, "found text"),
        (r#"{"messages": [], "tool": []}"#, "unknown key `tool`"),
        (r#"{"messages": [], "tools": {}}"#, "`tools` must be a list; found an object"),
        (r#"[{"role": "user"}, "x"]"#, "message 2: it must be an object; found text"),
        (r#"[{"content": "x"}]"#, "message 1: it has no `role`"),
        (r#"[{"role": null}]"#, "message 1: `role` must be text; found null"),
    ] {
        let error = Conversation::parse(text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn a_message_keeps_every_field_through_json() {
    let json = json!({"role": "assistant", "content": [{"type": "text"}], "z": 1, "a": {"b": null}});
    let message: Message = serde_json::from_value(json.clone()).unwrap();
    assert_eq!((message.role(), message.fields().len()), ("assistant", 4));
    assert_eq!(serde_json::to_string(&message).unwrap(), json.to_string());
    assert!(serde_json::from_value::<Message>(json!({"content": "x"})).unwrap_err().to_string().contains("`role`"));
}
