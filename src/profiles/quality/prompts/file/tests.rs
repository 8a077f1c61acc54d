//! What is read from prompt files, and what is told of bad ones.

use std::io::Write as _;

use serde_json::json;

use super::*;
use crate::profiles::quality::prompts::{BUILT_IN, built_in, read_file};
use crate::profiles::quality::scorer::Scorer;

/// The whole error in one line.
#[track_caller]
fn error(text: &str) -> String {
    parse(text, "my.toml").expect_err("it should be refused").to_string()
}

/// A prompt with this `score`, which stands in line 5.
fn with_score(score: &str) -> String {
    format!("[[prompt]]\nid = 'a'\ncategory = 'math'\nuser = 'How many?'\nscore = {score}\n")
}

#[track_caller]
fn scorer(score: &str) -> Scorer {
    let set = parse(&with_score(score), "my").unwrap_or_else(|e| panic!("{score}: {e}"));
    set.prompts[0].turns[0].score.clone().expect("a scorer")
}

#[test]
fn questions_and_conversations_are_read_with_the_defaults_of_their_file() {
    let set = parse(
        "name = 'mine'\nsystem = 'Be brief.'\nmax_tokens = 99\n\
         [[prompt]]\nid = 'a'\ncategory = 'math'\nuser = 'How many?'\nscore = { kind = 'number', answer = 4 }\n\
         [[prompt]]\nid = 'b'\ncategory = 'my-own_2'\nsystem = 'Be long.'\nmax_tokens = 7\n\
         [[prompt.turn]]\nuser = 'I am Ann.'\n\
         [[prompt.turn]]\nuser = 'Who am I?'\nscore = { kind = 'one_of', answers = ['Ann'] }\n",
        "my.toml",
    )
    .unwrap();
    assert_eq!(set.name, "mine");
    let [a, b] = set.prompts.as_slice() else { panic!("{set:?}") };
    assert_eq!(
        (a.id.as_str(), a.category.as_str(), a.system.as_deref(), a.max_tokens),
        ("a", "math", Some("Be brief."), 99)
    );
    assert_eq!((b.system.as_deref(), b.max_tokens, b.turns.len()), (Some("Be long."), 7, 2));
    assert_eq!((b.turns[0].score.as_ref(), b.turns[1].user.as_str()), (None, "Who am I?"));
    let line = serde_json::to_string(&set).unwrap();
    assert_eq!(serde_json::from_str::<PromptSet>(&line).unwrap(), set);
}

#[test]
fn a_file_without_name_and_defaults_gets_those_of_the_program() {
    let set = parse("[[prompt]]\nid='a'\ncategory='c'\nuser='u'", "my").unwrap();
    assert_eq!((set.name.as_str(), set.prompts[0].max_tokens, set.prompts[0].system.as_deref()), ("my", 512, None));
}

#[test]
fn every_kind_of_scorer_is_read() {
    let list = |items: &[&str]| items.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    for (score, wanted) in [
        ("{ kind = 'number', answer = 42 }", Scorer::Number { answer: 42.0, tolerance: 0.0, tolerance_percent: 0.0 }),
        (
            "{ kind = 'number', answer = -1_000.5, tolerance = 1, tolerance_percent = 0.5 }",
            Scorer::Number { answer: -1000.5, tolerance: 1.0, tolerance_percent: 0.5 },
        ),
        (
            "{ kind = 'choice', answer = 'B', options = ['A', 'B'] }",
            Scorer::Choice { answer: "B".to_owned(), options: list(&["A", "B"]) },
        ),
        (
            "{ kind = 'one_of', answers = ['yes'], options = ['maybe'] }",
            Scorer::OneOf { answers: list(&["yes"]), options: list(&["maybe"]) },
        ),
        (
            "{ kind = 'one_of', answers = [12, 'twelve', 12.5, -3] }",
            Scorer::OneOf { answers: list(&["12", "twelve", "12.5", "-3"]), options: list(&[]) },
        ),
        (
            "{ kind = 'contains', all = ['a'], any = ['b', 'c'], none = ['d'] }",
            Scorer::Contains { all: list(&["a"]), any: list(&["b", "c"]), none: list(&["d"]) },
        ),
        (r"{ kind = 'regex', pattern = '^\d+$' }", Scorer::Regex { pattern: r"^\d+$".to_owned() }),
        (
            r#"{ kind = "json", schema = '{"type": "object"}', only = true }"#,
            Scorer::Json { schema: Some(json!({ "type": "object" })), equals: None, only: true },
        ),
        (
            "{ kind = 'json', schema = { type = 'array', minItems = 2 } }",
            Scorer::Json { schema: Some(json!({ "type": "array", "minItems": 2 })), equals: None, only: false },
        ),
        (
            "{ kind = 'json', equals = { a = 1, b = [true, 2.5, 'x'] } }",
            Scorer::Json { schema: None, equals: Some(json!({ "a": 1, "b": [true, 2.5, "x"] })), only: false },
        ),
        (
            "{ kind = 'json', equals = '[null]' }",
            Scorer::Json { schema: None, equals: Some(json!([null])), only: false },
        ),
        ("{ kind = 'json', equals = 'x' }", Scorer::Json { schema: None, equals: Some(json!("x")), only: false }),
        ("{ kind = 'words', max = 1 }", Scorer::Words { min: None, max: Some(1) }),
        ("{ kind = 'lines', min = 2, max = 3 }", Scorer::Lines { min: Some(2), max: Some(3) }),
        (
            "{ kind = 'all', of = [{ kind = 'words', max = 1 }, { kind = 'regex', pattern = 'x' }] }",
            Scorer::All {
                of: vec![Scorer::Words { min: None, max: Some(1) }, Scorer::Regex { pattern: "x".to_owned() }],
            },
        ),
    ] {
        assert_eq!(scorer(score), wanted, "{score}");
    }
}

#[test]
fn a_bad_scorer_is_refused_with_file_line_and_prompt() {
    for (score, what) in [
        ("{ kind = 'nubmer', answer = 1 }", "unknown scorer 'nubmer'; did you mean 'number'?"),
        (
            "{ kind = 'xyz' }",
            "unknown scorer 'xyz'; known: number, choice, one_of, contains, regex, json, words, lines, all",
        ),
        (
            "{ answer = 1 }",
            "the score has no 'kind'; known: number, choice, one_of, contains, regex, json, words, lines, all",
        ),
        ("42", "'score' must be a table, such as { kind = \"number\", answer = 42 }"),
        ("{ kind = 'number' }", "the scorer 'number' needs 'answer'"),
        ("{ kind = 'number', answer = '4' }", "'answer' must be a number"),
        ("{ kind = 'number', answer = nan }", "the scorer's 'answer': it is not a number"),
        (
            "{ kind = 'number', answer = 4, tolerence = 1 }",
            "the scorer 'number' has no key 'tolerence'; did you mean 'tolerance'?",
        ),
        ("{ kind = 'choice', answer = 'B' }", "the scorer 'choice' needs 'options'"),
        (
            "{ kind = 'choice', answer = 'C', options = ['A', 'B'] }",
            "the scorer's 'answer': 'C' is neither an option nor the letter of one",
        ),
        ("{ kind = 'one_of', answers = 'yes' }", "'answers' must be a list of strings, such as [\"yes\"]"),
        ("{ kind = 'one_of', answers = [true] }", "'answers' must be a list of strings, such as [\"yes\"]"),
        (
            "{ kind = 'one_of', answers = [] }",
            "the scorer's 'answers': there must be at least one answer, none of them empty",
        ),
        ("{ kind = 'contains' }", "the scorer's 'all': one of 'all', 'any', 'none' must list something"),
        ("{ kind = 'regex', pattern = '(a' }", "the scorer's 'pattern': it is no regular expression: unclosed group"),
        ("{ kind = 'regex', pattern = '' }", "'pattern' is empty"),
        ("{ kind = 'json' }", "the scorer's 'schema': a 'schema' or 'equals' must be given"),
        ("{ kind = 'json', schema = '{' }", "'schema': it is not JSON: EOF while parsing an object at line 1 column 1"),
        (
            "{ kind = 'json', schema = { x = 2024-05-12 } }",
            "'schema': JSON has no dates; write \"2024-05-12\" as a string",
        ),
        ("{ kind = 'words', max = -1 }", "'max' must be a whole number, 0 or more"),
        ("{ kind = 'lines', min = 3, max = 2 }", "the scorer's 'min': it is more than 'max'"),
        ("{ kind = 'all', of = 5 }", "'of' must be a list of scorers"),
        ("{ kind = 'all', of = [] }", "the scorer's 'of': it lists no scorer"),
        ("{ kind = 'all', of = [{ kind = 'word', max = 1 }] }", "unknown scorer 'word'; did you mean 'words'?"),
        ("{ kind = 'json', only = 1, equals = 1 }", "'only' must be true or false"),
    ] {
        assert_eq!(error(&with_score(score)), format!("my.toml:5: prompt 'a': {what}"), "{score}");
    }
    let schema = error(&with_score("{ kind = 'json', schema = { type = 'objekt' } }"));
    assert!(schema.starts_with("my.toml:5: prompt 'a': the scorer's 'schema': it is no JSON schema: "), "{schema}");
}

#[test]
fn a_bad_prompt_is_refused_with_file_line_and_prompt() {
    for (text, wanted) in [
        ("", "my.toml: there is no [[prompt]] in it"),
        ("prompt = 5", "my.toml:1: 'prompt' must be a list of tables"),
        ("[[promt]]\nid='a'", "my.toml:1: the file has no key 'promt'; did you mean 'prompt'?"),
        ("[[prompt]]\ncategory='c'\nuser='u'", "my.toml:1: the prompt has no 'id'"),
        ("[[prompt]]\nid='a'\nuser='u'", "my.toml:1: prompt 'a': it has no 'category', such as 'math'"),
        ("[[prompt]]\nid='a'\ncategory='c'", "my.toml:1: prompt 'a': it has neither 'user' nor a [[prompt.turn]]"),
        ("[[prompt]]\nid='a'\ncategory='c'\nuser=' '", "my.toml:4: prompt 'a': 'user' is empty"),
        ("[[prompt]]\nid=''\ncategory='c'\nuser='u'", "my.toml:2: 'id' is empty"),
        ("[[prompt]]\nid=7\ncategory='c'\nuser='u'", "my.toml:2: 'id' must be a string"),
        (
            "[[prompt]]\nid='a'\ncategory='c'\nuser='u'\nscoer={}",
            "my.toml:5: prompt 'a': a prompt has no key 'scoer'; did you mean 'score'?",
        ),
        (
            "[[prompt]]\nid='a'\ncategory='c'\nuser='u'\nmax_tokens=0",
            "my.toml:5: prompt 'a': 'max_tokens' must be between 1 and 4294967295",
        ),
        (
            "[[prompt]]\nid='a'\ncategory='c'\nuser='u'\n[[prompt.turn]]\nuser='v'",
            "my.toml:1: prompt 'a': it has both 'user' and 'turn'; a conversation has [[prompt.turn]] alone",
        ),
        (
            "[[prompt]]\nid='a'\ncategory='c'\n[[prompt.turn]]\nscore={kind='words',max=1}",
            "my.toml:4: prompt 'a': the turn has no 'user'",
        ),
        (
            "[[prompt]]\nid='a'\ncategory='c'\nscore={kind='words',max=1}\n[[prompt.turn]]\nuser='v'",
            "my.toml:4: prompt 'a': in a conversation, 'score' belongs into the turns",
        ),
        ("[[prompt]]\nid='a'\ncategory='c'\nturn=[]", "my.toml:4: prompt 'a': 'turn' must be a list of tables"),
        (
            "[[prompt]]\nid='a'\ncategory='c'\nuser='u'\n\n[[prompt]]\nid='a'\ncategory='c'\nuser='v'",
            "my.toml:7: prompt 'a': its id is taken by the prompt in line 2; give it another",
        ),
    ] {
        assert_eq!(error(text), wanted, "{text}");
    }
    assert!(
        error("[[prompt]]\nid='a'\ncategory='Math'\nuser='u'")
            .starts_with("my.toml:3: prompt 'a': the category 'Math' is not")
    );
    assert!(error("[[prompt]]\nid = 'a\n").starts_with("my.toml:2: "));
    assert!(error("id = 1\nid = 2\n").starts_with("my.toml:2: duplicate key"));
}

#[test]
fn all_faults_are_kept_in_the_order_of_their_lines_and_the_good_prompts_too() {
    let text = "[[prompt]]\nid='a'\ncategory='c'\nuser='u'\nscore={kind='number'}\n\
                [[prompt]]\nid='b'\ncategory='c'\nuser='u'\n\
                [[prompt]]\nid='c'\ncategory='c'\nuser=''\nscore={kind='regex',pattern='['}\n";
    let loaded = read(text, "my");
    let lines: Vec<_> = loaded.faults.iter().map(|f| (f.line, f.id.as_deref())).collect();
    assert_eq!(lines, [(Some(5), Some("a")), (Some(13), Some("c")), (Some(14), Some("c"))]);
    assert_eq!(loaded.set.prompts.iter().map(|p| p.id.as_str()).collect::<Vec<_>>(), ["b"]);
    assert_eq!(error(text), "my.toml:5: prompt 'a': the scorer 'number' needs 'answer' (and 2 more)");
}

#[test]
fn a_file_is_read_strictly_or_as_far_as_it_is_good() {
    let mut file = tempfile::Builder::new().prefix("mine").suffix(".toml").tempfile().unwrap();
    file.write_all(b"[[prompt]]\nid='a'\ncategory='c'\nuser='u'\n[[prompt]]\nid='a'\ncategory='c'\nuser='v'\n")
        .unwrap();
    let loaded = load(file.path()).unwrap();
    assert_eq!((loaded.set.prompts.len(), loaded.faults.len()), (1, 1));
    assert!(loaded.set.name.starts_with("mine"));
    let strict = read_file(file.path()).unwrap_err().to_string();
    assert!(strict.starts_with(&format!("{}:6: prompt 'a': ", file.path().display())), "{strict}");
    let missing = read_file(Path::new("no/such/file.toml")).unwrap_err().to_string();
    assert!(missing.starts_with("no/such/file.toml: it cannot be read: "), "{missing}");
}

#[test]
fn every_built_in_set_is_readable_under_its_name() {
    for name in BUILT_IN {
        let set = built_in(name).unwrap();
        assert_eq!(set.name, name);
        assert!(
            set.prompts.iter().all(|p| p.turns.iter().any(|t| t.score.is_some())),
            "{name}: a prompt counts nowhere"
        );
    }
    assert_eq!(built_in("cor"), None);
}

#[test]
fn a_users_prompt_replaces_the_one_of_the_same_id_and_others_follow() {
    let core = built_in("core").unwrap();
    let (count, first) = (core.prompts.len(), core.prompts[0].id.clone());
    let text = format!(
        "[[prompt]]\nid='{first}'\ncategory='c'\nuser='mine'\n[[prompt]]\nid='new one'\ncategory='c'\nuser='v'"
    );
    let set = core.extended_by(parse(&text, "my").unwrap());
    assert_eq!((set.name.as_str(), set.prompts.len()), ("core", count + 1));
    assert_eq!(set.prompts[0].turns[0].user, "mine");
    assert_eq!(set.prompts[count].id, "new one");
}
