//! Right, wrong and tricky answers in JSON.

use serde_json::json;

use super::*;

fn person() -> Value {
    json!({
        "type": "object",
        "properties": { "name": { "type": "string" }, "age": { "type": "integer", "minimum": 0 } },
        "required": ["name", "age"],
        "additionalProperties": false
    })
}

const ANN: &str = r#"{"name": "Ann", "age": 7}"#;

#[test]
fn json_is_found_in_a_fence_and_between_text() {
    let schema = person();
    for text in [
        ANN.to_owned(),
        format!("  {ANN}\n"),
        format!("```json\n{ANN}\n```"),
        format!("```\n{ANN}\n```"),
        format!("```json\n{ANN}"),
        format!("Here it is:\n\n```json\n{ANN}\n```\n\nI hope this helps {{name}}!"),
        format!("Here it is: {ANN} Is there anything else?"),
        format!("{ANN}\n\n{ANN}"),
        format!("As [noted] in {{the text}}: {ANN}"),
        format!("[1] says: {ANN}"),
        r#"{"age": 7.0, "name": "Ann } { \" ["}"#.to_owned(),
        "{\n  \"name\": \"Ann\",\n  \"age\": 7\n}".to_owned(),
    ] {
        let scored = score(&text, Some(&schema), None, false);
        assert!(scored.correct, "{text:?}: {scored:?}");
    }
}

#[test]
fn what_is_no_json_or_two_values_is_refused_with_the_reason() {
    let schema = person();
    for (text, why) in [
        ("Ann is 7.", "there is no JSON in it"),
        (r#"{"name": "Ann", "age": 7"#, "its JSON is cut off"),
        (r#"{"person": {"name": "Ann", "age": 7}"#, "its JSON is cut off"),
        (r#"{"name": "Ann", "age": 7,}"#, "it is not JSON: trailing comma at line 1 column 26"),
        ("{'name': 'Ann', 'age': 7}", "it is not JSON: key must be a string at line 1 column 2"),
        (r#"{"name": "Ann", "age": 7} {"name": "Bob", "age": 8}"#, "it gives 2 different JSON values"),
        (
            "```json\n{\"name\": \"Ann\", \"age\": 7}\n```\nor\n```json\n{\"name\": \"Bob\", \"age\": 8}\n```",
            "it gives 2 different JSON values",
        ),
        (r#"{"name": "Ann", "age": "7"}"#, "at /age: \"7\" is not of type \"integer\""),
        (r#"{"name": "Ann", "age": -1}"#, "at /age: -1 is less than the minimum of 0"),
        (r#"{"name": "Ann"}"#, "\"age\" is a required property"),
        (r#"[{"name": "Ann", "age": 7}]"#, "[{\"name\":\"Ann\",\"age\":7}] is not of type \"object\""),
    ] {
        let scored = score(text, Some(&schema), None, false);
        assert!(!scored.correct, "{text:?}");
        assert_eq!(scored.why, why, "{text:?}");
    }
    let more = score(r#"{"name": "Ann", "age": 7, "x": 1}"#, Some(&schema), None, false);
    assert!(!more.correct && more.why.contains("'x'"), "{more:?}");
}

#[test]
fn a_list_is_looked_for_where_the_schema_wants_one() {
    let schema = json!({ "type": "array", "items": { "type": "integer" }, "minItems": 2 });
    for (text, correct) in
        [("[1, 2]", true), ("The list: [1, 2] {}", true), ("[1]", false), ("[1, \"2\"]", false), ("1, 2", false)]
    {
        assert_eq!(score(text, Some(&schema), None, false).correct, correct, "{text}");
    }
}

#[test]
fn an_expected_value_is_compared_by_value_and_in_any_order_of_keys() {
    let wanted = json!({ "a": 5, "b": [1, "x"], "c": null });
    for (text, correct) in [
        (r#"{"a": 5, "b": [1, "x"], "c": null}"#, true),
        (r#"{"c": null, "b": [1.0, "x"], "a": 5.0}"#, true),
        (r#"{"a": 5, "b": ["x", 1], "c": null}"#, false),
        (r#"{"a": "5", "b": [1, "x"], "c": null}"#, false),
        (r#"{"a": 5, "b": [1, "X"], "c": null}"#, false),
        (r#"{"a": 5, "b": [1, "x"]}"#, false),
        (r#"{"a": 5, "b": [1, "x"], "c": null, "d": 1}"#, false),
    ] {
        assert_eq!(score(text, None, Some(&wanted), false).correct, correct, "{text}");
    }
    assert!(score("true", None, Some(&json!(true)), false).correct);
    assert!(score("[1,2]", None, Some(&json!([1, 2])), false).correct);
}

#[test]
fn only_json_allows_a_fence_but_no_other_text() {
    let schema = person();
    for (text, why) in [
        (ANN.to_owned(), "it is the JSON that is wanted"),
        (format!("```json\n{ANN}\n```"), "it is the JSON that is wanted"),
        (format!("Here: {ANN}"), "it is more than JSON alone"),
        (format!("Here:\n```json\n{ANN}\n```"), "it is more than JSON alone"),
        (format!("{ANN}\nDone."), "it is not JSON: trailing characters at line 2 column 1"),
        (format!("{ANN} {ANN}"), "it is not JSON: trailing characters at line 1 column 27"),
        (ANN[..20].to_owned(), "its JSON is cut off"),
    ] {
        assert_eq!(score(&text, Some(&schema), None, true).why, why, "{text}");
    }
}

#[test]
fn a_schema_that_is_none_is_found_before_anything_is_scored() {
    assert!(check_schema(&person()).is_ok());
    assert!(check_schema(&json!({ "type": "objekt" })).is_err());
    assert!(check_schema(&json!({ "properties": 5 })).is_err());
    assert!(check_schema(&json!({ "$ref": "https://example.com/schema.json" })).is_err());
}
