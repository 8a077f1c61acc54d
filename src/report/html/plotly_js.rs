//! plotly.js (MIT), as the crate `plotly` embeds it. Left out on purpose: `MathJax`, which the crate embeds beside it and which
//! is half as large again; the reports have no formulas in their plots.

use plotly::Plot;

const BEGIN: &str = "<script type=\"text/javascript\">";
const END: &str = "</script>";

/// The library's source, to stand in a script element.
///
/// # Panics
/// When the crate lays its scripts out in another way; a test sees that before any user.
#[must_use]
pub(super) fn source() -> String {
    let scripts = Plot::offline_js_sources();
    let plotly = scripts.split(BEGIN).nth(1).and_then(|script| script.split(END).next());
    plotly.expect("the crate's first script is plotly.js").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_plotly_with_its_licence_and_without_mathjax() {
        let source = source();
        assert!(source.starts_with("/**\n* plotly.js v3"), "{}", &source[..200]);
        assert!(source.contains("Licensed under the MIT license"));
        assert!(source.ends_with("return Plotly;\n}));"), "{}", &source[source.len() - 80..]);
        assert!(!source.contains("MathJax.startup ="));
    }
}
