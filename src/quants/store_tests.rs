//! The cache without a quantizer: what is found, what goes, what stays.

use std::time::Duration;

use super::*;
use crate::engine::synth::{self, Spec};
use crate::plan::catalog::shape;

/// A cache with files of a tiny model's size in it, the first one used longest ago.
struct Cached {
    folder: tempfile::TempDir,
    store: Store,
    kept: Vec<Kept>,
}

fn cached(quants: &[Quant], limit_gb: f64) -> Cached {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), Some(limit_gb)).unwrap();
    let mut kept = Vec::new();
    for (age, &quant) in (0..).zip(quants.iter().rev()) {
        let place = store.root().join(format!("{age:016}")).join(format!("tiny-{quant}.gguf"));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let plan = synth::plan(&Spec::of_shape(shape("tiny").unwrap(), quant)).unwrap();
        let partial = place.with_extension("partial");
        synth::write(&plan, &partial, true, &mut |_| {}).unwrap();
        let one = store.keep(&partial, &place, |stamp| entry(quant, stamp, &format!("base{age}"))).unwrap();
        let at = SystemTime::now() - Duration::from_secs(1000 * (age + 1));
        File::options()
            .append(true)
            .open(entry_path(place.parent().unwrap(), quant))
            .unwrap()
            .set_modified(at)
            .unwrap();
        kept.push(one);
    }
    kept.reverse();
    Cached { folder, store, kept }
}

fn entry(quant: Quant, stamp: Stamp, base: &str) -> Entry {
    Entry {
        schema_version: Entry::SCHEMA_VERSION,
        file: format!("tiny-{quant}.gguf"),
        stamp,
        quant,
        base: base.to_owned(),
        base_path: base.into(),
        base_sha256: base.to_owned(),
        pure: false,
        imatrix_sha256: None,
        llama_cpp: "0".to_owned(),
        bits_per_weight: 4.5,
        seconds: 1.0,
    }
}

fn quants_of(kept: &[Kept]) -> Vec<Quant> {
    kept.iter().map(|k| k.entry.quant).collect()
}

#[test]
fn the_list_begins_with_what_was_used_last() {
    let cached = cached(&[Quant::Q4_0, Quant::Q8_0, Quant::Q2K], 1.0);
    assert_eq!(quants_of(&cached.store.list()), [Quant::Q2K, Quant::Q8_0, Quant::Q4_0]);
    cached.store.touch(&cached.kept[0]);
    assert_eq!(quants_of(&cached.store.list()), [Quant::Q4_0, Quant::Q2K, Quant::Q8_0]);
}

#[test]
fn what_was_used_longest_ago_goes_first_and_only_as_much_as_is_needed() {
    let cached = cached(&[Quant::Q4_0, Quant::Q8_0, Quant::Q2K], 1.0);
    assert!(cached.store.make_room(0).unwrap().is_empty(), "the limit is far");
    let total: u64 = cached.kept.iter().map(|k| k.entry.stamp.size_bytes).sum();
    let tight = Store { limit_bytes: total, ..cached.store.clone() };
    assert_eq!(quants_of(&tight.make_room(1).unwrap()), [Quant::Q4_0]);
    assert!(!cached.kept[0].path.exists() && cached.kept[1].path.exists());
    let none = Store { limit_bytes: 0, ..tight };
    assert_eq!(none.make_room(0).unwrap().len(), 2);
    assert!(none.list().is_empty());
    assert_eq!(fs::read_dir(cached.store.root()).unwrap().count(), 1, "empty folders go, the locks stay");
    drop(cached.folder);
}

#[test]
fn a_file_in_use_stays_whatever_the_limit() {
    let cached = cached(&[Quant::Q4_0, Quant::Q8_0], 0.0);
    let folder = cached.kept[0].path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    let lock = Lock::to_use(&cached.store.lock_of(&folder, Quant::Q4_0)).unwrap();
    assert!(lock.is_some());
    assert_eq!(quants_of(&cached.store.make_room(1 << 30).unwrap()), [Quant::Q8_0]);
    assert!(!cached.store.remove(&cached.kept[0]).unwrap() && cached.kept[0].path.exists());
    drop(lock);
    assert!(cached.store.remove(&cached.kept[0]).unwrap() && !cached.kept[0].path.exists());
}

#[test]
fn an_entry_that_is_damaged_or_points_out_of_the_cache_is_not_there() {
    let cached = cached(&[Quant::Q4_0, Quant::Q8_0], 1.0);
    let of = |n: usize| entry_path(cached.kept[n].path.parent().unwrap(), cached.kept[n].entry.quant);
    fs::write(of(0), "{").unwrap();
    let text = fs::read_to_string(of(1)).unwrap();
    fs::write(of(1), text.replace("tiny-Q8_0.gguf", "../../../victim.gguf")).unwrap();
    let list = cached.store.list();
    assert_eq!(list.len(), 1);
    assert!(list[0].path.starts_with(cached.store.root()), "{}", list[0].path.display());
}

#[test]
fn a_limit_that_is_no_number_is_a_wrong_argument() {
    let folder = tempfile::tempdir().unwrap();
    for limit in [f64::NAN, -1.0, f64::INFINITY] {
        let error = Store::open(folder.path(), Some(limit)).unwrap_err();
        assert_eq!(crate::exit_code::of(&error), crate::exit_code::Exit::Usage);
    }
}

#[test]
fn what_killed_processes_left_is_swept_away_unless_somebody_is_at_it() {
    let cached = cached(&[Quant::Q4_0], 1.0);
    let folder = cached.kept[0].path.parent().unwrap();
    let [part, orphan, busy] = [".Q8_0.77.partial", "tiny-Q6_K.gguf", ".Q2_K.78.partial"].map(|name| folder.join(name));
    for path in [&part, &orphan, &busy] {
        fs::write(path, "half").unwrap();
    }
    let hash = folder.file_name().unwrap().to_string_lossy().into_owned();
    let maker = Lock::to_make(&cached.store.lock_of(&hash, Quant::Q2K)).unwrap();
    cached.store.sweep();
    assert!(!part.exists() && !orphan.exists());
    assert!(busy.exists() && cached.kept[0].path.exists());
    drop(maker);
}
