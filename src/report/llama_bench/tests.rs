//! The printers, byte for byte.

use super::*;
use crate::engine::{ContextParams, DeviceInfo, ModelInfo};
use crate::profiles::bench::{Job, Samples};

struct Test {
    build: Build,
    engine: EngineInfo,
    model: ModelInfo,
    path: &'static str,
    n_gpu_layers: Option<u32>,
    job: Job,
    samples: Samples,
}

impl Test {
    fn row(&self) -> Row<'_> {
        Row {
            build: &self.build,
            engine: &self.engine,
            model_filename: self.path,
            model: &self.model,
            n_gpu_layers: self.n_gpu_layers,
            job: &self.job,
            samples: &self.samples,
            test_time: "2026-01-02T03:04:05Z",
        }
    }

    /// Prompt and generation take 1 and 2 seconds, then 2 and 4.
    fn of(n_prompt: u32, n_gen: u32, n_depth: u32) -> Self {
        let context = ContextParams::new(n_prompt + n_gen + n_depth, 2);
        let seconds = |there: u32, values: [u64; 2]| -> Vec<u64> {
            if there == 0 { Vec::new() } else { values.map(|s| s * 1_000_000_000).to_vec() }
        };
        Self {
            build: Build { commit: "abc123".to_owned(), number: 0, program: "sweetspot 0.1.0".to_owned() },
            engine: engine(&["CPU"]),
            model: model(),
            path: "models/it's \"mine\".gguf",
            n_gpu_layers: None,
            job: Job { n_prompt, n_gen, n_depth, repetitions: 2, warm_up: true, delay_seconds: 0, seed: 0, context },
            samples: Samples {
                n_prompt,
                n_gen,
                n_depth,
                prompt_ns: seconds(n_prompt, [1, 2]),
                gen_ns: seconds(n_gen, [2, 4]),
            },
        }
    }
}

fn engine(backends: &[&str]) -> EngineInfo {
    let device = |kind: &str, description: &str| DeviceInfo {
        name: String::new(),
        description: description.to_owned(),
        kind: kind.to_owned(),
        memory_total_bytes: 0,
        memory_free_bytes: 0,
    };
    let mut devices = vec![device("cpu", "Some CPU")];
    devices.extend(backends.iter().filter(|b| **b != "CPU").map(|_| device("gpu", "Some GPU")));
    EngineInfo {
        llama_cpp: "0.5.0".to_owned(),
        backends: backends.iter().map(|b| (*b).to_owned()).collect(),
        devices,
        ..nothing_known()
    }
}

fn model() -> ModelInfo {
    ModelInfo {
        name: String::new(),
        architecture: "llama".to_owned(),
        description: "llama 1B Q4_0".to_owned(),
        quantization: "Q4_0".to_owned(),
        size_bytes: 728_899_584,
        n_params: 1_235_814_432,
        n_layer: 16,
        n_embd: 2048,
        n_head: 32,
        n_head_kv: 8,
        head_size: 64,
        n_vocab: 128_256,
        n_ctx_train: 131_072,
        bos: Some(1),
        adds_bos: true,
        bos_text: String::new(),
        eos_text: String::new(),
        chat_template: None,
        named_templates: Vec::new(),
        synthetic: false,
    }
}

fn print(format: Format, columns: Columns, tests: &[Test]) -> String {
    let build = Build { commit: "abc123".to_owned(), number: 0, program: "sweetspot 0.1.0".to_owned() };
    let mut printer = Printer::new(format, columns, build, Vec::new());
    for test in tests {
        printer.row(&test.row()).unwrap();
    }
    printer.finish().unwrap();
    assert_eq!(printer.rows(), tests.len());
    String::from_utf8(printer.out).unwrap()
}

const PARTS: Columns = Columns {
    n_threads: false,
    n_batch: false,
    n_ubatch: false,
    type_k: false,
    type_v: false,
    flash_attention: false,
    parts: true,
};

#[test]
fn markdown_is_llama_benchs_table_with_its_widths() {
    let printed = print(Format::Markdown, Columns::default(), &[Test::of(512, 0, 0), Test::of(0, 128, 4096)]);
    let expected = "\
| model                          |       size |     params | backend    | threads |            test |                  t/s |
| ------------------------------ | ---------: | ---------: | ---------- | ------: | --------------: | -------------------: |
| llama 1B Q4_0                  | 695.13 MiB |     1.24 B | CPU        |       2 |           pp512 |      384.00 ± 181.02 |
| llama 1B Q4_0                  | 695.13 MiB |     1.24 B | CPU        |       2 |   tg128 @ d4096 |        48.00 ± 22.63 |

build: abc123 (0), sweetspot 0.1.0, llama.cpp 0.5.0
";
    assert_eq!(printed, expected);
}

#[test]
fn markdown_gives_prompt_and_generation_of_a_combined_test_rows_of_their_own() {
    let printed = print(Format::Markdown, PARTS, &[Test::of(512, 128, 64)]);
    let tests: Vec<(&str, &str)> = printed.lines().skip(2).take(3).map(last_two_cells).collect();
    assert_eq!(
        tests,
        [
            ("pp512+tg128 @ d64", "160.00 ± 75.42"),
            ("pp512 (of pp512+tg128 @ d64)", "384.00 ± 181.02"),
            ("tg128 (of pp512+tg128 @ d64)", "48.00 ± 22.63"),
        ]
    );
}

fn last_two_cells(line: &str) -> (&str, &str) {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    (cells[cells.len() - 3], cells[cells.len() - 2])
}

#[test]
fn markdown_has_a_column_for_what_is_not_the_default_and_gpu_layers_where_a_gpu_computes() {
    let all = Columns {
        n_threads: true,
        n_batch: true,
        n_ubatch: true,
        type_k: true,
        type_v: true,
        flash_attention: true,
        parts: false,
    };
    let test = Test { engine: engine(&["CUDA", "CPU"]), n_gpu_layers: Some(16), ..Test::of(512, 0, 0) };
    let printed = print(Format::Markdown, all, &[test]);
    let expected = "\
| model                          |       size |     params | backend    | ngl | threads | n_batch | n_ubatch | type_k | type_v |  fa |            test |                  t/s |
| ------------------------------ | ---------: | ---------: | ---------- | --: | ------: | ------: | -------: | -----: | -----: | --: | --------------: | -------------------: |
| llama 1B Q4_0                  | 695.13 MiB |     1.24 B | CUDA       |  16 |       2 |    2048 |      512 |    f16 |    f16 |  -1 |           pp512 |      384.00 ± 181.02 |
";
    assert!(printed.starts_with(expected), "{printed}");
    let default =
        print(Format::Markdown, Columns::default(), &[Test { engine: engine(&["CUDA"]), ..Test::of(1, 0, 0) }]);
    assert!(
        default.contains("| backend    | ngl |            test |") && default.contains("| CUDA       |  -1 |"),
        "{default}"
    );
}

#[test]
fn columns_follow_from_what_differs_from_the_defaults() {
    let default = Parameters::new(vec!["a.gguf".into()], 4);
    assert_eq!(Columns::of(&default, 4), Columns::default());
    assert!(Columns::of(&default, 8).n_threads);
    let changed = Parameters {
        n_batch: vec![1],
        n_ubatch: vec![512, 512],
        type_k: vec![KvType::Q8_0],
        type_v: vec![KvType::F32],
        flash_attention: vec![FlashAttention::On],
        n_pg: vec![(512, 0), (1, 1)],
        n_threads: vec![1, 4],
        ..default.clone()
    };
    let all = Columns {
        n_threads: true,
        n_batch: true,
        n_ubatch: true,
        type_k: true,
        type_v: true,
        flash_attention: true,
        parts: true,
    };
    assert_eq!(Columns::of(&changed, 4), all);
    assert!(
        !Columns::of(&Parameters { n_pg: vec![(512, 0)], ..default }, 4).parts,
        "one of the two is no combined test"
    );
}

#[test]
fn csv_has_llama_benchs_columns_and_doubles_quotes() {
    let printed = print(Format::Csv, Columns::default(), &[Test::of(512, 0, 0)]);
    let (header, row) = printed.split_once('\n').unwrap();
    assert_eq!(
        header,
        "build_commit,build_number,cpu_info,gpu_info,backends,model_filename,model_type,model_size,model_n_params,n_batch,\
         n_ubatch,n_threads,cpu_mask,cpu_strict,poll,type_k,type_v,n_gpu_layers,n_cpu_moe,split_mode,main_gpu,no_kv_offload,\
         flash_attn,devices,tensor_split,tensor_buft_overrides,load_mode,lazy_mode,embeddings,no_op_offload,no_host,repack,\
         fit_target,fit_min_ctx,n_prompt,n_gen,n_depth,test_time,avg_ns,stddev_ns,avg_ts,stddev_ts"
    );
    assert_eq!(
        row,
        "\"abc123\",\"0\",\"Some CPU\",\"\",\"CPU\",\"models/it's \"\"mine\"\".gguf\",\"llama 1B Q4_0\",\"728899584\",\"1235814432\",\
         \"2048\",\"512\",\"2\",\"0x0\",\"0\",\"50\",\"f16\",\"f16\",\"-1\",\"0\",\"layer\",\"0\",\"0\",\"-1\",\"auto\",\"0.00\",\
         \"none\",\"auto\",\"auto\",\"0\",\"0\",\"0\",\"1\",\"0\",\"0\",\"512\",\"0\",\"0\",\"2026-01-02T03:04:05Z\",\"1500000000\",\
         \"707106781\",\"384.000000\",\"181.019336\"\n"
    );
}

#[test]
fn csv_reads_back_with_prompt_and_generation_in_columns_after_llama_benchs() {
    let printed = print(Format::Csv, PARTS, &[Test::of(512, 128, 0), Test::of(512, 0, 0)]);
    let mut reader = ::csv::Reader::from_reader(printed.as_bytes());
    let header = reader.headers().unwrap().clone();
    assert_eq!(header.len(), rows::FIELDS.len() + 4);
    let records: Vec<_> = reader.records().map(Result::unwrap).collect();
    let field = |record: usize, name: &str| records[record][header.iter().position(|h| h == name).unwrap()].to_owned();
    assert_eq!(field(0, "model_filename"), "models/it's \"mine\".gguf");
    assert_eq!(field(0, "avg_ns"), "4500000000", "the two parts together");
    assert_eq!(field(0, "avg_prompt_ts"), "384.000000");
    assert_eq!(field(0, "avg_gen_ts"), "48.000000");
    assert_eq!(field(1, "avg_gen_ts"), "", "a test without a generation has no speed for one");
}

#[test]
fn json_is_an_array_whose_values_have_llama_benchs_types() {
    let printed = print(Format::Json, Columns::default(), &[Test::of(512, 128, 0), Test::of(0, 128, 0)]);
    let entries: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(&printed).unwrap();
    let names: Vec<&str> = entries[0].keys().map(String::as_str).collect();
    let own: Vec<&str> = rows::FIELDS.iter().map(|(name, _)| *name).chain(["samples_ns", "samples_ts"]).collect();
    assert_eq!(names[..own.len()], own, "llama-bench's fields first, in its order");
    for (name, kind) in rows::FIELDS {
        let value = &entries[0][name];
        let fits = match kind {
            rows::Kind::Text => value.is_string(),
            rows::Kind::Bool => value.is_boolean(),
            rows::Kind::Int => value.is_i64(),
            rows::Kind::Float => value.is_f64(),
        };
        assert!(fits, "{name}: {value}");
    }
    assert_eq!(entries[0]["model_filename"], "models/it's \"mine\".gguf");
    assert_eq!(entries[0]["samples_ns"], serde_json::json!([3_000_000_000_u64, 6_000_000_000_u64]));
    assert_eq!(entries[0]["samples_prompt_ns"], serde_json::json!([1_000_000_000_u64, 2_000_000_000_u64]));
    assert_eq!(entries[0]["samples_gen_ns"], serde_json::json!([2_000_000_000_u64, 4_000_000_000_u64]));
    assert_eq!(entries[0]["avg_prompt_ts"], 384.0);
    assert_eq!(entries[0]["avg_gen_ts"], 48.0);
    assert_eq!(entries[1]["samples_ts"], serde_json::json!([64.0, 32.0]));
    assert_eq!(entries[1]["avg_prompt_ts"], serde_json::Value::Null);
}

#[test]
fn jsonl_is_an_object_a_line_with_jsons_fields() {
    let tests = || [Test::of(512, 0, 0), Test::of(0, 128, 0)];
    let lines = print(Format::Jsonl, Columns::default(), &tests());
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let array: Vec<serde_json::Value> =
        serde_json::from_str(&print(Format::Json, Columns::default(), &tests())).unwrap();
    assert_eq!(lines, array);
}

#[test]
fn sql_makes_llama_benchs_table_and_doubles_quotes() {
    let printed = print(Format::Sql, Columns::default(), &[Test::of(512, 0, 0)]);
    assert!(
        printed
            .starts_with("CREATE TABLE IF NOT EXISTS llama_bench (\n  build_commit TEXT,\n  build_number INTEGER,\n")
    );
    assert!(
        printed
            .contains("  avg_ts REAL,\n  stddev_ts REAL\n);\n\nINSERT INTO llama_bench (build_commit, build_number, ")
    );
    assert!(
        printed
            .contains(" VALUES ('abc123', '0', 'Some CPU', '', 'CPU', 'models/it''s \"mine\".gguf', 'llama 1B Q4_0', ")
    );
    assert!(printed.ends_with("'1500000000', '707106781', '384.000000', '181.019336');\n"));
    assert!(!printed.contains("sweetspot_bench_parts"), "one table where there is nothing to tell apart");
}

#[test]
fn sql_keeps_prompt_and_generation_of_a_combined_test_in_a_table_of_its_own() {
    let printed = print(Format::Sql, PARTS, &[Test::of(512, 128, 0)]);
    assert!(printed.contains("CREATE TABLE IF NOT EXISTS sweetspot_bench_parts ("));
    let parts: Vec<&str> =
        printed.lines().filter(|line| line.starts_with("INSERT INTO sweetspot_bench_parts")).collect();
    assert_eq!(parts.len(), 2);
    assert!(parts[0].ends_with("'512', '128', '0', 'pp512', '1500000000', '707106781', '384.000000', '181.019336');"));
    assert!(parts[1].contains("'tg128', '3000000000', "));
    assert_eq!(printed.matches("INSERT INTO llama_bench").count(), 1);
}

#[test]
fn a_run_without_results_still_gives_valid_output() {
    assert_eq!(print(Format::Json, Columns::default(), &[]), "[\n\n]\n");
    assert_eq!(print(Format::Jsonl, Columns::default(), &[]), "");
    assert_eq!(print(Format::Markdown, Columns::default(), &[]), "");
    assert!(print(Format::Csv, Columns::default(), &[]).starts_with("build_commit,"));
}

#[test]
fn every_row_reaches_its_reader_before_the_next_test_starts() {
    struct Reader {
        pending: Vec<u8>,
        seen: Vec<u8>,
    }
    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.pending.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            self.seen.append(&mut self.pending);
            Ok(())
        }
    }
    let out = Reader { pending: Vec::new(), seen: Vec::new() };
    let test = Test::of(512, 0, 0);
    let mut printer = Printer::new(Format::Markdown, Columns::default(), test.build.clone(), out);
    printer.begin(&test.engine).unwrap();
    assert!(printer.out.seen.starts_with(b"| model"), "the header does not wait for the first test");
    printer.row(&test.row()).unwrap();
    assert!(String::from_utf8_lossy(&printer.out.seen).contains("pp512"));
    assert!(printer.out.pending.is_empty());
}

#[test]
fn a_format_is_known_by_llama_benchs_name_for_it() {
    assert_eq!("md".parse(), Ok(Format::Markdown));
    assert_eq!("jsonl".parse(), Ok(Format::Jsonl));
    let error = "yaml".parse::<Format>().unwrap_err();
    assert_eq!(error, "unknown output format 'yaml'; one of md, csv, json, jsonl, sql");
}
