//! The frame of an HTML report: one file with everything in it (styles, scripts, data), which reads nothing from a network, is
//! readable in light and in dark, and takes no text for markup. Reports fill a [`Page`]; what they say is theirs.

mod plotly_js;

use std::fmt::Write as _;

use plotly::Plot;

use super::view::printable;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Said to the browser, so that nothing is ever loaded, whatever the libraries try.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; \
    worker-src blob:; base-uri 'none'; form-action 'none'";

/// A page that is being written. All texts are escaped.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    body: String,
    plots: usize,
}

/// A cell of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableCell {
    /// What it shows.
    pub text: String,
    /// What is shown when the pointer rests on it; empty: nothing.
    pub hint: String,
    /// It stands out.
    pub is_headline: bool,
}

impl Page {
    /// An empty page with its title as heading.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self { title: escaped(title), body: format!("<h1>{}</h1>\n", escaped(title)), plots: 0 }
    }

    /// A heading below the title.
    pub fn heading(&mut self, text: &str) {
        let _ = writeln!(self.body, "<h2>{}</h2>", escaped(text));
    }

    /// A paragraph; `class` is a name of the style sheet, or empty.
    pub fn paragraph(&mut self, class: &str, text: &str) {
        let _ = writeln!(self.body, "<p{}>{}</p>", class_attribute(class), escaped(text));
    }

    /// Sentences, one a point; nothing without sentences.
    pub fn list(&mut self, items: &[String]) {
        if items.is_empty() {
            return;
        }
        self.body.push_str("<ul>\n");
        for item in items {
            let _ = writeln!(self.body, "<li>{}</li>", escaped(item));
        }
        self.body.push_str("</ul>\n");
    }

    /// What is to be copied as it is.
    pub fn code(&mut self, text: &str) {
        let _ = writeln!(self.body, "<pre><code>{}</code></pre>", escaped(text));
    }

    /// A table. The first cell of each row names it.
    pub fn table(&mut self, header: &[String], rows: &[Vec<TableCell>]) {
        self.body.push_str("<div class=\"scroll\"><table>\n<thead><tr>");
        for name in header {
            let _ = write!(self.body, "<th scope=\"col\">{}</th>", escaped(name));
        }
        self.body.push_str("</tr></thead>\n<tbody>\n");
        for row in rows {
            let cells: String = row.iter().enumerate().map(|(place, cell)| table_cell(place == 0, cell)).collect();
            let _ = writeln!(self.body, "<tr>{cells}</tr>");
        }
        self.body.push_str("</tbody></table></div>\n");
    }

    /// Begins a grid, in which plots stand beside each other where there is room; [`Self::end_grid`] ends it.
    pub fn begin_grid(&mut self) {
        self.body.push_str("<div class=\"grid\">\n");
    }

    /// Ends the grid.
    pub fn end_grid(&mut self) {
        self.body.push_str("</div>\n");
    }

    /// A plot with its title and what one sees in it.
    pub fn plot(&mut self, title: &str, caption: &str, plot: &Plot) {
        self.plots += 1;
        let n = self.plots;
        let _ = writeln!(
            self.body,
            "<figure><figcaption><b>{title}</b><br>{caption}</figcaption>\n<div class=\"plot\" id=\"plot-{n}\" role=\"img\" \
             aria-label=\"{title}\"></div>\n<script type=\"application/json\" id=\"plot-{n}-data\">{}</script></figure>",
            in_script(&plot.to_json()),
            title = escaped(title),
            caption = escaped(caption),
        );
    }

    /// The whole page.
    #[must_use]
    pub fn render(&self) -> String {
        let scripts = if self.plots == 0 {
            String::new()
        } else {
            let plotly = plotly_js::source();
            format!("<script>{plotly}</script>\n<script>{SCRIPT}</script>\n")
        };
        let no_script = if self.plots == 0 {
            ""
        } else {
            "<noscript><p>The plots need JavaScript; the tables do not.</p></noscript>\n"
        };
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" \
             content=\"{POLICY}\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta \
             name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
             {}{no_script}</main>\n{scripts}</body>\n</html>\n",
            self.title, self.body,
        )
    }
}

fn table_cell(is_name: bool, cell: &TableCell) -> String {
    let (tag, scope) = if is_name { ("th", " scope=\"row\"") } else { ("td", "") };
    let hint = if cell.hint.is_empty() { String::new() } else { format!(" title=\"{}\"", escaped(&cell.hint)) };
    let class = class_attribute(if cell.is_headline { "headline" } else { "" });
    format!("<{tag}{scope}{class}{hint}>{}</{tag}>", escaped(&cell.text))
}

fn class_attribute(class: &str) -> String {
    if class.is_empty() { String::new() } else { format!(" class=\"{}\"", escaped(class)) }
}

/// A text as HTML, inside of elements and of quoted attributes.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

/// JSON as it may stand in a script element: `<` occurs in strings only, where its escape means the same, so that no text can
/// end the element or open a comment.
#[must_use]
pub fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;
    use plotly::Scatter;

    const EVIL: &str = "</script><script>alert(\"1\")</script>'&";

    #[test]
    fn no_text_becomes_markup() {
        let mut page = Page::new(EVIL);
        page.heading(EVIL);
        page.paragraph("small", EVIL);
        page.list(&[EVIL.to_owned()]);
        page.code(EVIL);
        let cell = TableCell { text: EVIL.to_owned(), hint: EVIL.to_owned(), is_headline: true };
        page.table(&[EVIL.to_owned()], &[vec![cell.clone(), cell]]);
        let html = page.render();
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;").count(), 11);
    }

    #[test]
    fn a_name_in_a_plot_cannot_end_its_script() {
        let mut page = Page::new("plots");
        let mut plot = Plot::new();
        plot.add_trace(Scatter::new(vec![1], vec![2]).name(EVIL));
        page.plot("a", "b", &plot);
        let html = page.render();
        let data = html.split("id=\"plot-1-data\">").nth(1).unwrap().split("</script>").next().unwrap();
        let read: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(read["data"][0]["name"], EVIL);
        // plot's data, plotly, the page's own script: no other element was opened or closed
        assert_eq!(html.matches("</script").count(), 3);
    }

    #[test]
    fn a_page_without_plots_carries_no_library() {
        assert!(Page::new("small").render().len() < 10_000);
    }

    #[test]
    fn a_page_loads_nothing() {
        let mut page = Page::new("plots");
        page.plot("a", "b", &Plot::new());
        let html = page.render();
        let own = html.replace(&plotly_js::source(), "");
        for word in ["src=", "href=", "@import", "url(", "http://", "https://"] {
            assert!(!own.contains(word), "{word} in {own}");
        }
        assert!(own.contains("default-src 'none'"));
    }
}
