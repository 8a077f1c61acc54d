// Draws the plots of a page, in the page's colours, and again when they change from light to dark.
(function () {
  "use strict";
  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }
  function themed(layout) {
    var text = colour("--text"), grid = colour("--grid"), line = colour("--line");
    var changes = {
      "font.color": text, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
      "modebar.bgcolor": "rgba(0,0,0,0)", "modebar.color": line, "modebar.activecolor": text,
      "hoverlabel.bgcolor": colour("--page"), "hoverlabel.font.color": text
    };
    ["xaxis", "yaxis"].forEach(function (axis) {
      if (layout[axis]) {
        changes[axis + ".gridcolor"] = grid;
        changes[axis + ".zerolinecolor"] = line;
        changes[axis + ".linecolor"] = line;
      }
    });
    return changes;
  }
  var plots = document.querySelectorAll(".plot");
  plots.forEach(function (place) {
    var plot = JSON.parse(document.getElementById(place.id + "-data").textContent);
    Plotly.newPlot(place, plot.data, plot.layout, { responsive: true, displaylogo: false }).then(function () {
      return Plotly.relayout(place, themed(place.layout));
    });
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () {
    plots.forEach(function (place) { Plotly.relayout(place, themed(place.layout)); });
  });
})();
