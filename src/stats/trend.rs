//! How one number grows with another: a straight line by weighted least squares, and how well it foretells points that it has
//! not seen.
//!
//! Left out on purpose: other shapes. What grows with a square is brought to a line by whoever knows why it does (a sum of
//! times that each grow linearly, say).

use serde::{Deserialize, Serialize};

use super::ratio;

/// Fewer points make no trend: two always lie on a line.
pub const MIN_POINTS: usize = 3;

/// From so many points on, every fourth is held out, so that the line still has three.
pub const MIN_POINTS_TO_HOLD_OUT: usize = 4;

/// A point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Where.
    pub x: f64,
    /// What was measured there.
    pub y: f64,
    /// How much it counts against the others, above 0.
    pub weight: f64,
}

impl Point {
    /// A point that counts once.
    #[must_use]
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, weight: 1.0 }
    }
}

/// Whether the point at a place, counted from 0, of so many is kept out of the fit.
#[must_use]
pub fn is_held_out(place: usize, points: usize) -> bool {
    points >= MIN_POINTS_TO_HOLD_OUT && place % 4 == 2
}

/// A straight line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its height at 0.
    pub intercept: f64,
    /// What each unit of x adds.
    pub slope: f64,
}

impl Line {
    /// The line with the least weighted sum of squared vertical distances; absent where all points have the same x, or for
    /// numbers that are not finite, or weights that are not above 0.
    #[must_use]
    pub fn through(points: &[Point]) -> Option<Self> {
        let is_usable = |p: &Point| p.x.is_finite() && p.y.is_finite() && p.weight.is_finite() && p.weight > 0.0;
        if !points.iter().all(is_usable) {
            return None;
        }
        let weights: f64 = points.iter().map(|p| p.weight).sum();
        let mean = |of: fn(&Point) -> f64| ratio(points.iter().map(|p| p.weight * of(p)).sum(), weights);
        let (mean_x, mean_y) = (mean(|p| p.x)?, mean(|p| p.y)?);
        // Around the means, so that large numbers close together do not cancel each other's digits.
        let along: f64 = points.iter().map(|p| p.weight * (p.x - mean_x) * (p.y - mean_y)).sum();
        let spread: f64 = points.iter().map(|p| p.weight * (p.x - mean_x).powi(2)).sum();
        let slope = ratio(along, spread)?;
        let intercept = mean_y - slope * mean_x;
        intercept.is_finite().then_some(Self { intercept, slope })
    }

    /// Its height at x.
    #[must_use]
    pub fn at(&self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }
}

/// A line through points, and how far it is to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trend {
    /// The line, through the points that were not held out.
    pub line: Line,
    /// How many points it goes through.
    pub fitted: usize,
    /// How far it lies from those that were held out; absent where none was.
    pub held_out: Option<HeldOut>,
    /// The smallest x of all points.
    pub from: f64,
    /// The largest x of all points; beyond it the line is a forecast.
    pub to: f64,
}

/// How far a line lies from points that it was not fitted to, in percent of what was measured there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOut {
    /// How many points.
    pub points: usize,
    /// Mean of the absolute errors.
    pub mean_error_percent: f64,
    /// The largest absolute error.
    pub max_error_percent: f64,
}

impl Trend {
    /// The trend of the points in their order. From [`MIN_POINTS_TO_HOLD_OUT`] points on, the third of every four is kept out
    /// of the fit (which mostly spares the ends, where a line has least hold) and tells the error. Absent for fewer than
    /// [`MIN_POINTS`] points, and where there is no [`Line`].
    #[must_use]
    pub fn of(points: &[Point]) -> Option<Self> {
        Self::by(points, Line::through)
    }

    /// The same for what never falls: where the line would fall, the level line through the mean, which is the nearest of all
    /// that do not.
    #[must_use]
    pub fn never_falling(points: &[Point]) -> Option<Self> {
        Self::by(points, |points| {
            let line = Line::through(points)?;
            if line.slope >= 0.0 {
                return Some(line);
            }
            let weights: f64 = points.iter().map(|p| p.weight).sum();
            let intercept = ratio(points.iter().map(|p| p.weight * p.y).sum(), weights)?;
            Some(Line { intercept, slope: 0.0 })
        })
    }

    fn by(points: &[Point], line: impl FnOnce(&[Point]) -> Option<Line>) -> Option<Self> {
        if points.len() < MIN_POINTS {
            return None;
        }
        let (mut fitted, mut held_out) = (Vec::new(), Vec::new());
        for (place, point) in points.iter().enumerate() {
            if is_held_out(place, points.len()) { &mut held_out } else { &mut fitted }.push(*point);
        }
        let line = line(&fitted)?;
        if !held_out.iter().all(|p| p.x.is_finite() && p.y.is_finite()) {
            return None;
        }
        let xs = || points.iter().map(|p| p.x);
        Some(Self {
            line,
            fitted: fitted.len(),
            held_out: HeldOut::of(&line, &held_out),
            from: xs().fold(f64::INFINITY, f64::min),
            to: xs().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

impl HeldOut {
    /// Absent without points, and where one of them has a height of 0, of which nothing is a share.
    fn of(line: &Line, points: &[Point]) -> Option<Self> {
        let error = |p: &Point| ratio(100.0 * (line.at(p.x) - p.y).abs(), p.y.abs());
        let errors: Vec<f64> = points.iter().map(error).collect::<Option<_>>()?;
        Some(Self {
            points: errors.len(),
            mean_error_percent: super::mean(&errors)?,
            max_error_percent: errors.iter().copied().fold(0.0, f64::max),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-6 * a.abs().max(b.abs()).max(1.0)
    }

    fn points(ys: &[f64]) -> Vec<Point> {
        ys.iter().enumerate().map(|(x, y)| Point::new(super::super::float(x as u64), *y)).collect()
    }

    #[test]
    fn the_line_is_the_one_worked_out_by_hand() {
        let line = Line::through(&points(&[1.0, 3.0, 2.0])).unwrap(); // means 1 and 2; 1 ÷ 2
        assert!(near(line.slope, 0.5) && near(line.intercept, 1.5), "{line:?}");
    }

    #[test]
    fn a_point_of_double_weight_counts_as_two() {
        let mut once = points(&[1.0, 3.0, 2.0, 2.0]);
        once[3] = once[2];
        let mut twice = points(&[1.0, 3.0, 2.0]);
        twice[2].weight = 2.0;
        let (once, twice) = (Line::through(&once).unwrap(), Line::through(&twice).unwrap());
        assert!(near(once.slope, twice.slope) && near(once.intercept, twice.intercept));
    }

    #[test]
    fn fewer_than_three_points_and_points_above_one_another_make_no_trend() {
        assert_eq!(Trend::of(&points(&[1.0, 2.0])), None);
        assert_eq!(Trend::of(&[Point::new(5.0, 1.0); 3]), None);
        let three = Trend::of(&points(&[1.0, 2.0, 3.0])).unwrap();
        assert_eq!((three.fitted, three.held_out), (3, None));
    }

    #[test]
    fn every_fourth_point_is_held_out_and_tells_the_error() {
        let mut ys = points(&[10.0; 9]);
        (ys[2].y, ys[6].y) = (20.0, 8.0);
        let trend = Trend::of(&ys).unwrap();
        assert_eq!(trend.fitted, 7);
        assert!(near(trend.line.at(100.0), 10.0), "a held-out point moved the line: {trend:?}");
        let held_out = trend.held_out.unwrap();
        assert_eq!(held_out.points, 2);
        assert!(near(held_out.mean_error_percent, 37.5) && near(held_out.max_error_percent, 50.0), "{held_out:?}");
        assert!(near(trend.from, 0.0) && near(trend.to, 8.0));
    }

    #[test]
    fn what_is_no_number_makes_no_trend_even_where_it_is_held_out() {
        for place in 0..5 {
            for bad in [f64::NAN, f64::INFINITY] {
                let mut ys = points(&[1.0, 2.0, 3.0, 4.0, 5.0]);
                ys[place].y = bad;
                assert_eq!(Trend::of(&ys), None, "{place}");
            }
        }
        let mut weightless = points(&[1.0, 2.0, 3.0]);
        weightless[1].weight = 0.0;
        assert_eq!(Trend::of(&weightless), None);
    }

    #[test]
    fn a_share_of_nothing_is_no_error() {
        let mut flat = points(&[1.0; 4]);
        flat[2].y = 0.0;
        assert_eq!(Trend::of(&flat).unwrap().held_out, None);
    }

    #[test]
    fn what_never_falls_is_level_where_the_points_fall() {
        let falling: Vec<Point> = [(0.0, 4.0), (1.0, 3.0), (2.0, 2.0)].map(|(x, y)| Point::new(x, y)).to_vec();
        let trend = Trend::never_falling(&falling).unwrap();
        assert_eq!(trend.line, Line { intercept: 3.0, slope: 0.0 });
        let rising: Vec<Point> = falling.iter().map(|p| Point::new(p.x, -p.y)).collect();
        assert_eq!(Trend::never_falling(&rising), Trend::of(&rising));
    }

    proptest! {
        #[test]
        fn points_on_a_line_give_that_line_and_no_error(
            intercept in 1.0..1e6_f64, slope in 0.0..1e3_f64,
            weights in prop::collection::vec(0.1..100.0_f64, 3..40),
        ) {
            let xs = (0..).map(|x: u32| 512.0 * f64::from(x));
            let on_it: Vec<_> =
                xs.zip(&weights).map(|(x, &weight)| Point { x, y: intercept + slope * x, weight }).collect();
            let trend = Trend::of(&on_it).unwrap();
            prop_assert!((trend.line.slope - slope).abs() <= 1e-6 * slope.max(1.0), "{:?}", trend);
            prop_assert!((trend.line.intercept - intercept).abs() <= 1e-6 * (intercept + slope * trend.to));
            prop_assert_eq!(trend.held_out.is_some(), on_it.len() >= MIN_POINTS_TO_HOLD_OUT);
            prop_assert!(trend.held_out.is_none_or(|h| h.max_error_percent < 1e-3));
        }

        #[test]
        fn no_other_line_lies_closer(
            ys in prop::collection::vec(-1e3..1e3_f64, 3..20), by in -10.0..10.0_f64, turn in -1.0..1.0_f64,
        ) {
            let ys = points(&ys);
            let line = Line::through(&ys).unwrap();
            let squares = |line: &Line| ys.iter().map(|p| (line.at(p.x) - p.y).powi(2)).sum::<f64>();
            let other = Line { intercept: line.intercept + by, slope: line.slope + turn };
            prop_assert!(squares(&line) <= squares(&other) + 1e-6);
        }
    }
}
