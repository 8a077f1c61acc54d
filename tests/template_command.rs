//! `sweetspot template` as its users call it: what it prints, and what it refuses.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sweetspot::engine::gguf::HeaderWriter;
use tempfile::TempDir;

const TEMPLATE: &str = "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}\
                        {% if tools %}{{ tools | tojson }}{% endif %}{{ '>' if add_generation_prompt }}";

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A GGUF header with these chat templates by their keys.
    fn model(&self, templates: &[(&str, &str)]) -> PathBuf {
        let mut writer = HeaderWriter::default();
        writer.string("general.architecture", "llama");
        writer.strings("tokenizer.ggml.tokens", &["<unk>".to_owned(), "<s>".to_owned(), "</s>".to_owned()]);
        writer.u32("tokenizer.ggml.bos_token_id", 1);
        writer.u32("tokenizer.ggml.eos_token_id", 2);
        for (key, source) in templates {
            writer.string(key, source);
        }
        self.file("model.gguf", writer.finish(32).unwrap().bytes)
    }
}

fn sweetspot(args: &[&str], files: &[&Path], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sweetspot"))
        .arg("template")
        .args(files)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that ends before it reads is what some tests are about.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn prompt(output: &Output) -> &str {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::str::from_utf8(&output.stdout).unwrap()
}

/// The one line on stderr of a call that was refused as wrong usage.
fn refusal(output: &Output, code: i32) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(output.stdout.is_empty());
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

#[test]
fn the_models_own_template_is_rendered_with_its_tokens_and_no_newline_is_added() {
    let folder = Folder::new();
    let model = folder.model(&[("tokenizer.chat_template", TEMPLATE)]);
    let messages = r#"[{"role": "user", "content": "Hi\n"}]"#;
    let output = sweetspot(&["--messages", "-"], &[&model], messages);
    assert_eq!(prompt(&output), "<s>[user]Hi\n</s>>");
    let output = sweetspot(
        &["--messages", "-", "--no-generation-prompt", "--bos-token", "", "--eos-token", "|"],
        &[&model],
        messages,
    );
    assert_eq!(prompt(&output), "[user]Hi\n|");
    assert!(output.stderr.is_empty());
}

#[test]
fn without_messages_a_short_conversation_is_rendered() {
    let folder = Folder::new();
    let template = folder.file("t.jinja", "{{ messages | map(attribute='role') | join(' ') }}");
    let output = sweetspot(&["--template", template.to_str().unwrap()], &[], "");
    assert_eq!(prompt(&output), "system user assistant user");
}

#[test]
fn tools_come_from_the_conversation_or_from_their_own_file() {
    let folder = Folder::new();
    let model =
        folder.model(&[("tokenizer.chat_template", "no tools"), ("tokenizer.chat_template.tool_use", TEMPLATE)]);
    let tools = folder.file("tools.json", r#"[{"name": "b"}]"#);
    let conversation = r#"{"messages": [{"role": "user", "content": "x"}], "tools": [{"name": "a"}]}"#;
    let output = sweetspot(&["--messages", "-"], &[&model], conversation);
    assert_eq!(prompt(&output), "<s>[user]x</s>[{\"name\": \"a\"}]>");
    let output = sweetspot(&["--messages", "-", "--tools", tools.to_str().unwrap()], &[&model], conversation);
    assert_eq!(prompt(&output), "<s>[user]x</s>[{\"name\": \"b\"}]>");
    assert_eq!(prompt(&sweetspot(&[], &[&model], "")), "no tools");
}

#[test]
fn variables_documents_and_the_time_reach_the_template() {
    let folder = Folder::new();
    let source = "{{ enable_thinking }} {{ effort }} {{ strftime_now('%d %b %Y %H:%M') }} {{ documents[0].title }}";
    let template = folder.file("t.jinja", source);
    let documents = folder.file("d.json", r#"[{"title": "One"}]"#);
    let args = ["--template", template.to_str().unwrap(), "--documents", documents.to_str().unwrap(), "--set"];
    let more = ["enable_thinking=false", "--set", "effort=\"high\"", "--now", "2026-01-31T12:34:56"];
    assert_eq!(prompt(&sweetspot(&[&args[..], &more[..]].concat(), &[], "")), "False high 31 Jan 2026 12:34 One");
}

#[test]
fn the_names_of_a_models_templates_are_listed_and_one_can_be_named() {
    let folder = Folder::new();
    let model = folder.model(&[("tokenizer.chat_template.rag", "r"), ("tokenizer.chat_template", "d")]);
    assert_eq!(prompt(&sweetspot(&["--list"], &[&model], "")), "default\nrag\n");
    assert_eq!(prompt(&sweetspot(&["--name", "rag"], &[&model], "")), "r");
    let error = refusal(&sweetspot(&["--name", "chat"], &[&model], ""), 2);
    assert!(error.contains("no chat template named 'chat'; it has: default, rag"), "{error}");
}

#[test]
fn a_model_without_a_template_prints_chatml_and_says_so_on_stderr() {
    let folder = Folder::new();
    let output = sweetspot(&["--messages", "-"], &[&folder.model(&[])], r#"[{"role": "user", "content": "x"}]"#);
    assert_eq!(prompt(&output), "<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n");
    let says = String::from_utf8(output.stderr).unwrap();
    assert!(says.contains("no chat template in the file; this prompt is ChatML"), "{says}");
}

#[test]
fn a_template_that_refuses_or_is_none_ends_with_its_file_and_line() {
    let folder = Folder::new();
    let raises = folder.file("raises.jinja", "a\n{{ raise_exception('Roles must alternate') }}");
    let error = refusal(&sweetspot(&["--template", raises.to_str().unwrap()], &[], ""), 1);
    assert!(error.contains("raises.jinja: line 2: ") && error.contains("Roles must alternate"), "{error}");
    let broken = folder.file("broken.jinja", "a\n\n{% for %}");
    let error = refusal(&sweetspot(&["--template", broken.to_str().unwrap()], &[], ""), 2);
    assert!(error.contains("broken.jinja: line 3: ") && error.contains("not valid"), "{error}");
}

#[test]
fn wrong_files_and_arguments_are_refused_in_one_line() {
    let folder = Folder::new();
    let template = folder.file("t.jinja", "x");
    let template = template.to_str().unwrap();
    let bad = folder.file("bad.json", "{}");
    let bad = bad.to_str().unwrap();
    for (args, says) in [
        (vec!["--template", "missing.jinja"], "missing.jinja: cannot be read"),
        (vec!["--template", template, "--messages", "missing.json"], "missing.json: cannot be read"),
        (vec!["--template", template, "--messages", bad], "bad.json: expected a list of messages"),
        (vec!["--template", template, "--tools", bad], "bad.json: expected a JSON list"),
        (vec!["--template", template, "--set", "x"], "expected KEY=JSON"),
        (vec!["--template", template, "--set", "x=high"], "the value is not JSON"),
        (vec![template], "t.jinja"), // not a GGUF file
    ] {
        let error = refusal(&sweetspot(&args, &[], ""), 2);
        assert!(error.contains(says), "{args:?}: {error}");
    }
    let output = sweetspot(&[], &[], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("MODEL"));
}
