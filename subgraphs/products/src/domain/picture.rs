//! Draws a picture of a product: a motif of its category on a coloured ground, with the initials of its title.
//!
//! The same product always gives the same picture. No text of the product reaches the SVG unescaped.

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Picture<'a> {
    /// Chooses the colours.
    pub(crate) product_id: &'a str,
    /// For the initials, and for people who do not see the picture.
    pub(crate) title: &'a str,
    /// Chooses the motif; an unknown one gives a parcel.
    pub(crate) category_slug: &'a str,
}

/// Pixels of a side when no width is asked for, and the bounds of what may be asked.
const WIDTH_DEFAULT: u32 = 960;
const WIDTH_MIN: u32 = 16;
const WIDTH_MAX: u32 = 2_000;

/// Ground, halo, and the three colours of a motif: body, second part, detail.
const PALETTES: [[&str; 5]; 10] = [
    ["#f4ede2", "#e9dcc6", "#c8553d", "#2d3142", "#f2b880"],
    ["#e8f0ec", "#d0e2d8", "#2f6f5e", "#1c3b35", "#f0c987"],
    ["#eaeef6", "#d3dcee", "#3d5a98", "#1f2a48", "#f4a261"],
    ["#f6e9ea", "#edd2d5", "#a63a50", "#3b1f2b", "#e8c07d"],
    ["#eef1e4", "#dde4c6", "#6a7b3c", "#2f3a1d", "#e0a458"],
    ["#f1ecf5", "#dfd3ea", "#6c4f8f", "#2c2140", "#f2c14e"],
    ["#e6f1f4", "#c9e1e8", "#2a7f93", "#153e4a", "#f28f6b"],
    ["#f7f0e6", "#efdcc0", "#b7791f", "#4a3212", "#4f7c73"],
    ["#eceded", "#d6d9db", "#4b5563", "#1f2937", "#e76f51"],
    ["#fbeee6", "#f6d9c9", "#d9734e", "#5a2a1b", "#5b8e7d"],
];

/// Motifs by category, on a field of 480 by 480. Classes: `a` body, `b` second part, `c` detail, `l` line.
const MOTIFS: &[(&str, &str)] = &[
    (
        "t-shirts",
        "<path class='a' d='M150 70l-110 70 45 90 45-25v215h220V205l45 25 45-90-110-70c-15 45-165 45-180 0z'/><path class='l' d='M150 70c15 60 165 60 180 0'/>",
    ),
    (
        "shirts",
        "<path class='a' d='M150 70l-110 70 30 160 55-15v145h230V285l55 15 30-160-110-70-90 60z'/><path class='b' d='M150 70l50 80 40-40 40 40 50-80-90 30z'/><path class='l' d='M240 150v280'/><circle class='c' cx='240' cy='210' r='8'/><circle class='c' cx='240' cy='270' r='8'/><circle class='c' cx='240' cy='330' r='8'/>",
    ),
    (
        "knitwear",
        "<path class='a' d='M155 70l-105 60 10 260h60l15-140v180h210V250l15 140h60l10-260-105-60c-30 40-140 40-170 0z'/><path class='l' d='M180 200l30 25 30-25 30 25 30-25M180 260l30 25 30-25 30 25 30-25M180 320l30 25 30-25 30 25 30-25'/><rect class='b' x='135' y='405' width='210' height='25'/>",
    ),
    (
        "trousers",
        "<path class='a' d='M140 50h200l40 390h-95L240 180l-45 260h-95z'/><rect class='b' x='136' y='50' width='208' height='34'/><path class='l' d='M240 84v90'/>",
    ),
    (
        "jackets",
        "<path class='a' d='M150 60l-110 70 20 230h55v80h250v-80h55l20-230-110-70-90 40z'/><path class='b' d='M150 60l90 120 90-120-90 40z'/><path class='l' d='M240 180v260M140 320h60M280 320h60'/><circle class='c' cx='225' cy='240' r='8'/><circle class='c' cx='225' cy='300' r='8'/><circle class='c' cx='225' cy='360' r='8'/>",
    ),
    (
        "dresses",
        "<path class='a' d='M175 50l15 110-95 270h290l-95-270 15-110-35 50h-60z'/><path class='b' d='M187 150h106l12 34H175z'/><circle class='c' cx='240' cy='167' r='9'/>",
    ),
    (
        "sneakers",
        "<path class='a' d='M50 190c40 25 70 10 95-25l130 90c50 35 130 20 155 75v45H50z'/><path class='b' d='M40 355h400v35c0 12-10 20-22 20H62c-12 0-22-8-22-20z'/><path class='l' d='M190 225l35-30M225 250l35-30M260 275l35-30'/><circle class='c' cx='95' cy='290' r='22'/>",
    ),
    (
        "boots",
        "<path class='a' d='M140 60h130v210c90 15 140 50 150 110H140z'/><path class='b' d='M130 380h300v40H270l-10-15h-30l-10 15h-90z'/><path class='l' d='M270 150h-60M270 190h-60M270 230h-60'/>",
    ),
    (
        "backpacks",
        "<path class='l' d='M190 90c0-60 100-60 100 0'/><rect class='a' x='110' y='90' width='260' height='340' rx='70'/><rect class='b' x='140' y='270' width='200' height='130' rx='24'/><rect class='c' x='225' y='300' width='30' height='46' rx='8'/><path class='l' d='M140 190h200'/>",
    ),
    (
        "totes-shoulder-bags",
        "<path class='l' d='M165 190c0-170 150-170 150 0'/><path class='a' d='M90 180h300l30 250H60z'/><rect class='b' x='190' y='250' width='100' height='80' rx='10'/><circle class='c' cx='240' cy='290' r='12'/>",
    ),
    (
        "luggage",
        "<path class='l' d='M190 110V50h100v60'/><rect class='a' x='110' y='100' width='260' height='310' rx='34'/><path class='l' d='M175 130v250M240 130v250M305 130v250'/><circle class='b' cx='150' cy='425' r='20'/><circle class='b' cx='330' cy='425' r='20'/><rect class='c' x='210' y='215' width='60' height='40' rx='8'/>",
    ),
    (
        "headphones",
        "<path class='l w' d='M90 300V240c0-200 300-200 300 0v60'/><rect class='a' x='60' y='250' width='90' height='160' rx='40'/><rect class='a' x='330' y='250' width='90' height='160' rx='40'/><rect class='c' x='125' y='275' width='30' height='110' rx='15'/><rect class='c' x='325' y='275' width='30' height='110' rx='15'/>",
    ),
    (
        "speakers",
        "<rect class='a' x='130' y='50' width='220' height='380' rx='24'/><circle class='b' cx='240' cy='300' r='80'/><circle class='c' cx='240' cy='300' r='34'/><circle class='b' cx='240' cy='140' r='44'/><circle class='c' cx='240' cy='140' r='16'/>",
    ),
    (
        "keyboards-mice",
        "<rect class='a' x='40' y='150' width='400' height='190' rx='24'/><g class='b'><rect x='70' y='180' width='44' height='40' rx='8'/><rect x='128' y='180' width='44' height='40' rx='8'/><rect x='186' y='180' width='44' height='40' rx='8'/><rect x='244' y='180' width='44' height='40' rx='8'/><rect x='302' y='180' width='44' height='40' rx='8'/><rect x='70' y='232' width='60' height='40' rx='8'/><rect x='144' y='232' width='44' height='40' rx='8'/><rect x='202' y='232' width='44' height='40' rx='8'/><rect x='260' y='232' width='44' height='40' rx='8'/><rect x='318' y='232' width='92' height='40' rx='8'/></g><rect class='c' x='360' y='180' width='50' height='40' rx='8'/><rect class='c' x='130' y='284' width='220' height='34' rx='8'/>",
    ),
    (
        "chargers-cables",
        "<rect class='a' x='150' y='180' width='180' height='170' rx='36'/><path class='b' d='M190 90h30v90h-30zM260 90h30v90h-30z'/><path class='l w' d='M240 350c0 90-120 20-120 90M120 440'/><path class='c' d='M250 215l-45 62h32l-12 48 48-66h-32z'/>",
    ),
    (
        "cameras",
        "<path class='b' d='M170 110h140l25 50H145z'/><rect class='a' x='50' y='150' width='380' height='240' rx='34'/><circle class='b' cx='240' cy='270' r='90'/><circle class='c' cx='240' cy='270' r='48'/><circle class='b' cx='240' cy='270' r='20'/><circle class='c' cx='375' cy='195' r='14'/>",
    ),
    (
        "cookware",
        "<path class='b' d='M330 215l130-60 14 34-130 60z'/><path class='a' d='M50 220h300v60c0 90-60 120-150 120S50 370 50 280z'/><ellipse class='c' cx='200' cy='220' rx='150' ry='32'/><path class='l' d='M140 150c0-30 30-30 30-60M220 150c0-30 30-30 30-60'/>",
    ),
    (
        "knives",
        "<path class='c' d='M60 190c120-70 220-50 240-50v130H120c-40 0-60-50-60-80z'/><rect class='b' x='300' y='150' width='24' height='110'/><path class='a' d='M324 155h90c30 0 36 20 36 50s-6 50-36 50h-90z'/><circle class='c' cx='355' cy='205' r='8'/><circle class='c' cx='405' cy='205' r='8'/><rect class='b' x='70' y='340' width='340' height='40' rx='12'/>",
    ),
    (
        "tea-coffee-gear",
        "<path class='a' d='M110 210h230c0 130-40 200-115 200S110 340 110 210z'/><path class='l w' d='M110 250c-70-10-80 100 20 110M340 240l70-60'/><ellipse class='b' cx='225' cy='205' rx='116' ry='26'/><circle class='c' cx='225' cy='160' r='20'/><path class='l' d='M200 110c0-25 25-25 25-55M250 110c0-25 25-25 25-55'/>",
    ),
    (
        "tableware",
        "<circle class='a' cx='240' cy='250' r='180'/><circle class='b' cx='240' cy='250' r='120'/><path class='l' d='M170 250a70 70 0 0 1 70-70M310 250a70 70 0 0 1-70 70'/><circle class='c' cx='240' cy='250' r='22'/>",
    ),
    (
        "lighting",
        "<path class='l' d='M240 30v90'/><path class='a' d='M150 120h180l90 170H60z'/><ellipse class='c' cx='240' cy='292' rx='180' ry='28'/><circle class='b' cx='240' cy='320' r='36'/><path class='l' d='M120 370l-30 60M240 390v60M360 370l30 60'/>",
    ),
    (
        "bedding",
        "<rect class='b' x='40' y='120' width='30' height='310' rx='10'/><rect class='b' x='410' y='230' width='30' height='200' rx='10'/><rect class='c' x='80' y='200' width='130' height='80' rx='30'/><path class='a' d='M60 270c100-20 240-50 360 10v100H60z'/><path class='l' d='M190 262c20 40 10 80-10 118M310 258c20 40 15 80 0 122'/>",
    ),
    (
        "plants-pots",
        "<path class='a' d='M130 300h220l-30 140H160z'/><path class='b' d='M240 300c-20-120-130-130-150-200 110 0 150 90 150 200zM240 300c20-140 110-150 150-230 10 120-60 190-150 230zM240 300c-20-100 0-180 20-240 40 90 20 170-20 240z'/><rect class='c' x='118' y='290' width='244' height='34' rx='10'/>",
    ),
    (
        "camping",
        "<path class='a' d='M240 90l200 310H40z'/><path class='b' d='M240 190l75 210H165z'/><path class='l' d='M240 90V60M40 400h400'/><circle class='c' cx='390' cy='110' r='34'/>",
    ),
    (
        "cycling",
        "<circle class='l w' cx='120' cy='320' r='90'/><circle class='l w' cx='360' cy='320' r='90'/><path class='l w' d='M120 320l80-140h110l50 140M200 180l55 140H120M255 320l55-140'/><rect class='a' x='160' y='155' width='80' height='26' rx='12'/><path class='l w' d='M310 180l-15-50h55'/><circle class='c' cx='255' cy='320' r='18'/>",
    ),
    (
        "yoga-fitness",
        "<rect class='a' x='60' y='300' width='360' height='90' rx='14'/><circle class='b' cx='105' cy='300' r='70'/><circle class='a' cx='105' cy='300' r='44'/><circle class='b' cx='105' cy='300' r='20'/><path class='l' d='M200 330h180M200 360h180'/><circle class='c' cx='310' cy='150' r='60'/>",
    ),
    (
        "novels",
        "<path class='b' d='M100 80h250c20 0 30 10 30 30v310H130c-20 0-30-10-30-30z'/><path class='a' d='M100 60h250v320H130c-20 0-30 10-30 30z'/><path class='l' d='M160 140h130M160 180h90'/><circle class='c' cx='230' cy='270' r='44'/>",
    ),
    (
        "stationery",
        "<rect class='a' x='100' y='60' width='240' height='340' rx='16'/><rect class='b' x='100' y='60' width='44' height='340' rx='16'/><path class='l' d='M180 140h120M180 190h120M180 240h120M180 290h80'/><path class='c' d='M340 420l70-300 40 10-70 300-34 24z'/>",
    ),
    (
        "tea",
        "<rect class='a' x='130' y='120' width='220' height='300' rx='20'/><rect class='b' x='115' y='70' width='250' height='74' rx='16'/><path class='c' d='M240 350c-80-30-80-120 0-170 80 50 80 140 0 170z'/><path class='l' d='M240 340V220'/>",
    ),
    (
        "chocolate",
        "<g class='a'><rect x='110' y='60' width='120' height='90' rx='14'/><rect x='250' y='60' width='120' height='90' rx='14'/><rect x='110' y='168' width='120' height='90' rx='14'/><rect x='250' y='168' width='120' height='90' rx='14'/></g><path class='b' d='M95 250l48-30 48 30 49-30 49 30 48-30 48 30v180H95z'/><path class='c' d='M95 310h290v40H95z'/>",
    ),
];

/// For categories that have no motif: a parcel.
const PARCEL: &str = "<path class='a' d='M60 160l180-90 180 90v200l-180 90-180-90z'/><path class='b' d='M60 160l180 90 180-90-180-90z'/><path class='l' d='M240 250v200'/><path class='c' d='M140 118l180 92v60l40-20v-60L180 98z'/>";

impl Picture<'_> {
    /// A square SVG of `width` pixels (16 to 2000; 960 if `None`).
    #[must_use]
    pub(crate) fn svg(&self, width: Option<u32>) -> String {
        let width = width.unwrap_or(WIDTH_DEFAULT).clamp(WIDTH_MIN, WIDTH_MAX);
        let seed = fingerprint(self.product_id.as_bytes());
        let choice = usize::try_from(seed % 10).expect("below ten");
        let [ground, halo, body, second, detail] = PALETTES[choice];
        let motif = MOTIFS
            .iter()
            .find(|(slug, _)| *slug == self.category_slug)
            .map_or(PARCEL, |(_, motif)| motif);
        // The halo wanders a little and the motif leans a little, so that ten of a shelf do not look stamped.
        let (halo_x, halo_y) = (440 + seed / 10 % 80, 420 + seed / 800 % 80);
        let lean = i64::try_from(seed / 64_000 % 13).expect("below thirteen") - 6;
        let (title, initials) = (escape(self.title), escape(&initials(self.title)));
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 960 960' width='{width}' height='{width}' role='img'>\
             <title>{title}</title><style>.a{{fill:{body}}}.b{{fill:{second}}}.c{{fill:{detail}}}\
             .l{{fill:none;stroke:{second};stroke-width:10;stroke-linecap:round;stroke-linejoin:round;opacity:.85}}\
             .w{{stroke-width:22;opacity:1}}</style>\
             <rect width='960' height='960' fill='{ground}'/><circle cx='{halo_x}' cy='{halo_y}' r='350' fill='{halo}'/>\
             <ellipse cx='480' cy='760' rx='250' ry='26' fill='{second}' opacity='.14'/>\
             <g transform='translate(192 176) rotate({lean} 240 240) scale(1.2)'>{motif}</g>\
             <text x='64' y='896' font-family='Georgia,Songti SC,Noto Serif CJK SC,serif' font-size='76' \
             fill='{second}' opacity='.8'>{initials}</text></svg>"
        )
    }
}

/// FNV-1a: small, and the same on every machine and in every release, unlike the standard library's hasher.
#[must_use]
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low bits of FNV mix badly, and the palette is chosen by them.
    hash ^ (hash >> 29)
}

/// The first letters of the first two words; of a Chinese or Japanese title its first two characters.
fn initials(title: &str) -> String {
    let first = |word: &str| word.chars().find(|character| character.is_alphanumeric());
    let words: Vec<char> = title.split_whitespace().filter_map(first).take(2).collect();
    match words[..] {
        [only] if !only.is_ascii() => title.chars().take(2).collect(),
        _ => words.into_iter().flat_map(char::to_uppercase).collect(),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\'' => escaped.push_str("&#39;"),
            '"' => escaped.push_str("&quot;"),
            // XML knows no other control characters.
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_of_words_or_characters() {
        for (title, expected) in [
            ("Night Ferry to Visby", "NF"),
            ("Mug", "M"),
            ("西湖龙井", "西湖"),
            ("!!", ""),
        ] {
            assert_eq!(initials(title), expected, "{title}");
        }
    }

    #[test]
    fn a_title_cannot_break_out_of_the_picture() {
        let picture = Picture {
            product_id: "prod_1",
            title: "</title><script>'\"&\u{7}",
            category_slug: "none",
        };
        let svg = picture.svg(Some(1));
        assert!(
            svg.contains("&lt;/title&gt;&lt;script&gt;&#39;&quot;&amp; </title>"),
            "{svg}"
        );
        assert!(svg.contains("width='16'"));
        assert_eq!(svg, picture.svg(Some(1)));
    }

    #[test]
    fn every_shelf_of_the_demo_shop_has_a_motif() {
        let parents: Vec<_> = service::seed::catalogue::categories()
            .iter()
            .filter_map(|c| c.parent_id.as_ref())
            .collect();
        for category in service::seed::catalogue::categories() {
            let is_shelf = !parents.contains(&&category.id);
            let has_motif = MOTIFS.iter().any(|(slug, _)| *slug == category.slug);
            assert_eq!(is_shelf, has_motif, "{}", category.slug);
        }
    }
}
