use super::*;
use crate::config::Flags;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::symlink;

/// A directory with a root in it and things beside it; absolute and without links.
fn stand() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().canonicalize().unwrap();
    for inside in ["data/a.zarr/0", "data/sub", "data-evil/b.zarr", "elsewhere/c.zarr"] {
        fs::create_dir_all(top.join(inside)).unwrap();
    }
    fs::write(top.join("data/file"), "x").unwrap();
    fs::write(top.join("secret"), "x").unwrap();
    (folder, top)
}

fn root(folder: &Path) -> Root {
    with_urls(folder, &[])
}

fn with_urls(folder: &Path, urls: &[&str]) -> Root {
    let flags = Flags {
        data_root: Some(folder.to_str().unwrap().to_owned()),
        allow_url: urls.iter().map(|&url| url.to_owned()).collect(),
        ..Flags::default()
    };
    Root::of(&Config::resolve(flags, |_| None).unwrap()).unwrap()
}

/// What a client gets at `given`.
fn found(root: &Root, given: &str) -> Result<PathBuf, Refused> {
    match root.admit(given)? {
        Place::Local { path, .. } => Ok(path),
        Place::Remote(url) => panic!("{url} is no path"),
    }
}

#[test]
fn paths_are_relative_to_the_root_or_absolute_within_it() {
    let (_folder, top) = stand();
    let data = top.join("data");
    let root = root(&data);
    for (given, expected) in [
        ("", ""),
        (".", ""),
        ("/", "outside"),
        ("a.zarr", "a.zarr"),
        ("a.zarr/", "a.zarr"),
        ("./a.zarr//0/.", "a.zarr/0"),
        ("sub/../a.zarr", "a.zarr"),
        ("nothing/../a.zarr", "a.zarr"),
        ("file", "file"),
    ] {
        let expected = if expected == "outside" { Err(Refused::Forbidden) } else { Ok(data.join(expected)) };
        // A path with an empty last part is equal to the one without.
        assert_eq!(found(&root, given), expected, "{given:?}");
    }
    assert_eq!(found(&root, data.join("a.zarr/0").to_str().unwrap()), Ok(data.join("a.zarr/0")));
    assert_eq!(found(&root, &format!("{}/sub/../../data/sub", data.display())), Ok(data.join("sub")));
    for missing in ["b", "a.zarr/9", "file/x", "file/..x", "nul\0byte", "a.zarr\n"] {
        assert_eq!(found(&root, missing), Err(Refused::Missing), "{missing:?}");
    }
}

#[test]
fn what_leads_out_by_name_is_forbidden_whether_it_exists_or_not() {
    let (_folder, top) = stand();
    let root = root(&top.join("data"));
    let absolute = |name: &str| top.join(name).to_str().unwrap().to_owned();
    for given in [
        "..".to_owned(),
        "../secret".into(),
        "../no such thing".into(),
        "sub/../../secret".into(),
        "a.zarr/../../elsewhere/c.zarr".into(),
        "nothing/../../secret".into(),
        "../data-evil/b.zarr".into(),
        absolute(""),
        absolute("secret"),
        absolute("no such thing"),
        absolute("data-evil"),
        absolute("data-evil/b.zarr"),
        absolute("datax"),
        "/etc/passwd".into(),
        "/".into(),
        "../../../../../../../../../../etc/passwd".into(),
    ] {
        assert_eq!(found(&root, &given), Err(Refused::Forbidden), "{given:?}");
    }
    // From further up it is the same place.
    assert_eq!(found(&root, "../data/a.zarr"), Ok(top.join("data/a.zarr")));
}

#[test]
fn links_that_lead_out_are_forbidden_whatever_lies_behind_them() {
    let (_folder, top) = stand();
    let data = top.join("data");
    symlink(data.join("a.zarr"), data.join("within")).unwrap();
    symlink("sub/../a.zarr", data.join("crooked")).unwrap();
    symlink(&top, data.join("out")).unwrap();
    symlink("../secret", data.join("secret")).unwrap();
    symlink("../data-evil", data.join("evil")).unwrap();
    symlink("nowhere", data.join("dangling")).unwrap();
    symlink("loop", data.join("loop")).unwrap();
    symlink("out/data/a.zarr", data.join("out and in")).unwrap();
    let root = root(&data);
    assert_eq!(found(&root, "within"), Ok(data.join("a.zarr")));
    assert_eq!(found(&root, "within/0"), Ok(data.join("a.zarr/0")));
    assert_eq!(found(&root, "crooked/0"), Ok(data.join("a.zarr/0")));
    assert_eq!(found(&root, "out and in"), Ok(data.join("a.zarr")), "where it ends is what counts");
    for given in [
        "out",
        "out/secret",
        "out/no such thing",
        "out/data/a.zarr",
        "secret",
        "evil",
        "evil/b.zarr",
        "evil/no such thing",
        "dangling",
        "dangling/x",
        "loop",
    ] {
        assert_eq!(found(&root, given), Err(Refused::Forbidden), "{given:?}");
    }
    assert_eq!(found(&root, "within/nothing"), Err(Refused::Missing));
}

#[test]
fn an_image_with_links_out_of_the_root_leads_out() {
    let (_folder, top) = stand();
    let (data, image) = (top.join("data"), top.join("data/linked.zarr"));
    std::fs::create_dir_all(image.join("0")).unwrap();
    assert!(!leads_out(&data, &image));
    symlink(data.join("a.zarr/0"), image.join("1")).unwrap();
    assert!(!leads_out(&data, &image), "a level elsewhere below the root");
    symlink(top.join("secret"), image.join("0/.zarray")).unwrap();
    assert!(leads_out(&data, &image), "metadata of a level");
    std::fs::remove_file(image.join("0/.zarray")).unwrap();
    symlink(top.join("data-evil/b.zarr/0"), image.join("2")).unwrap();
    assert!(leads_out(&data, &image), "a level");
}

#[test]
fn a_root_behind_a_link_is_known_by_both_names() {
    let (_folder, top) = stand();
    symlink(top.join("data"), top.join("alias")).unwrap();
    let root = root(&top.join("alias"));
    let expected = Ok(top.join("data/a.zarr"));
    assert_eq!(found(&root, "a.zarr"), expected);
    assert_eq!(found(&root, top.join("alias/a.zarr").to_str().unwrap()), expected);
    assert_eq!(found(&root, top.join("data/a.zarr").to_str().unwrap()), expected);
    assert_eq!(found(&root, top.join("elsewhere").to_str().unwrap()), Err(Refused::Forbidden));
}

#[test]
fn without_a_root_it_is_where_the_image_lies_or_where_the_server_runs() {
    let (_folder, top) = stand();
    let of = |data: &Path| {
        let flags = Flags { data: Some(data.to_str().unwrap().to_owned()), ..Flags::default() };
        Root::of(&Config::resolve(flags, |_| None).unwrap()).unwrap()
    };
    for image in ["data/a.zarr", "data/sub/../a.zarr", "data/a.zarr/0/..", "data/./a.zarr/."] {
        assert_eq!(found(&of(&top.join(image)), "file"), Ok(top.join("data/file")), "{image}");
    }
    assert_eq!(found(&of(&top.join("data/a.zarr")), "../secret"), Err(Refused::Forbidden));
    let missing = of(&top.join("nothing/here.zarr"));
    assert_eq!(found(&missing, ""), Err(Refused::Forbidden), "opening the image tells what is wrong");
    let idle = Root::of(&Config::resolve(Flags::default(), |_| None).unwrap()).unwrap();
    assert_eq!(found(&idle, "."), Ok(Path::new(".").canonicalize().unwrap()));
    assert_eq!(found(&Root::closed(), "."), Err(Refused::Forbidden));

    let named = |folder: &Path| {
        let flags = Flags { data_root: Some(folder.to_str().unwrap().to_owned()), ..Flags::default() };
        Root::of(&Config::resolve(flags, |_| None).unwrap()).unwrap_err().kind()
    };
    assert_eq!(named(&top.join("nothing")), ErrorKind::NotFound);
    assert_eq!(named(&top.join("secret")), ErrorKind::NotADirectory);
}

#[test]
fn urls_need_a_prefix_that_ends_where_a_part_ends() {
    let (_folder, top) = stand();
    let allowed = ["https://a.org/pub", "https://b.org/", "s3://bucket"];
    let root = with_urls(&top.join("data"), &allowed);
    let closed = self::root(&top.join("data"));
    for url in [
        "https://a.org/pub",
        "https://a.org/pub/x.zarr",
        "https://a.org/pub?list",
        "https://b.org/anything/at..all/x..",
        "s3://bucket/x",
        "s3://bucket",
    ] {
        let location = Location::parse(url).unwrap().within(&allowed.map(Secret::new));
        assert_eq!(root.admit(url), Ok(Place::Remote(location)), "{url}");
        assert_eq!(closed.admit(url), Err(Refused::Forbidden), "{url}");
    }
    for url in [
        "https://a.org/public",
        "https://a.org/",
        "https://a.org/pub/../private",
        "https://a.org/pub/%2E%2e/private",
        "https://a.org/pub/..%2fprivate",
        "https://a.org/pub/%2e.\\private",
        "https://a.org/pub/..",
        "https://a.org/pub/ x",
        "https://b.org.evil/",
        "https://b.org@evil/",
        "https://b.org:80/",
        "http://b.org/",
        "HTTPS://b.org/",
        "s3://bucket.evil/x",
        "s3://bucket-evil",
        "file:///etc/passwd",
        "zip+s3://bucket/x",
        "://x",
    ] {
        let refused = if url == "://x" { Refused::Missing } else { Refused::Forbidden };
        assert_eq!(root.admit(url), Err(refused), "{url}");
    }
}

#[test]
fn archives_are_admitted_with_what_is_inside_and_a_choice() {
    let (_folder, top) = stand();
    let data = top.join("data");
    fs::write(data.join("x.OZX"), "x").unwrap();
    fs::write(data.join("b#1.zip"), "x").unwrap();
    symlink("../secret", data.join("out.zip")).unwrap();
    let root = root(&data);
    let admitted = |given: &str| match root.admit(given)? {
        Place::Local { path, inside, pick, .. } => Ok((path, inside.to_str().unwrap().to_owned(), pick)),
        Place::Remote(url) => panic!("{url}"),
    };
    let named = |name: &str, inside: &str, pick: Option<&str>| Ok((data.join(name), inside.to_owned(), pick.map(str::to_owned)));
    assert_eq!(admitted("x.OZX"), named("x.OZX", "", None));
    assert_eq!(admitted("x.OZX/sub/img#2"), named("x.OZX", "sub/img", Some("2")));
    assert_eq!(admitted("a.zarr#raw"), named("a.zarr", "", Some("raw")));
    assert_eq!(admitted("b#1.zip"), named("b#1.zip", "", None), "it is a name");
    assert_eq!(admitted("b#1.zip/in#0"), named("b#1.zip", "in", Some("0")));
    assert_eq!(admitted("x.OZX/../../secret"), Err(Refused::Forbidden));
    assert_eq!(admitted("out.zip/in"), Err(Refused::Forbidden), "what lies behind the link is not looked into");
    assert_eq!(admitted("file/in"), Err(Refused::Missing), "no archive");
    assert_eq!(shown("https://me:s3cr3t@h/a/b.zarr?s3cr3t"), "https …/b.zarr");
    assert_eq!(shown("weird://s3cr3t"), "weird://…");
    assert_eq!(shown("a/b.zarr"), "a/b.zarr");
}

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(vec![
            "..",
            ".",
            "",
            "a.zarr",
            "0",
            "sub",
            "file",
            "within",
            "out",
            "up",
            "data",
            "data-evil",
            "secret",
            "elsewhere",
            "~",
            "...",
        ])
        .prop_map(str::to_owned),
        "[a-z./\\\\%]{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever a client makes up, what it gets lies within the root, exists, and holds no link; and what is forbidden by its name
    /// alone is so in an empty world, too: no file was looked at.
    #[test]
    fn nothing_outside_is_ever_given(parts in prop::collection::vec(part(), 0..8), absolute in 0..3) {
        let (_folder, top) = stand();
        let data = top.join("data");
        symlink(data.join("a.zarr"), data.join("within")).unwrap();
        symlink(&top, data.join("out")).unwrap();
        symlink("..", data.join("sub/up")).unwrap();
        let root = root(&data);
        let joined = parts.join("/");
        let given = match absolute {
            0 => joined,
            1 => format!("{}/{joined}", data.display()),
            _ => format!("{}/{joined}", top.display()),
        };
        match root.admit(&given) {
            Ok(Place::Local { path, root, .. }) => {
                prop_assert!(path.starts_with(&data) && root == data);
                prop_assert_eq!(path.canonicalize().unwrap(), path);
            }
            Ok(Place::Remote(url)) => prop_assert!(false, "{}", url),
            Err(refused) => {
                let named = normal(&data.join(&given));
                if !named.starts_with(&data) {
                    prop_assert_eq!(refused, Refused::Forbidden);
                }
            }
        }
    }

    /// An allowed beginning is no way to anything else.
    #[test]
    fn no_url_gets_beyond_its_prefix(rest in "[a-z./%2eEfF@:?#\\\\]{0,12}") {
        let (_folder, top) = stand();
        let root = with_urls(&top.join("data"), &["https://a.org/pub"]);
        let url = format!("https://a.org/pub{rest}");
        if let Ok(place) = root.admit(&url) {
            prop_assert!(matches!(place, Place::Remote(_)));
            prop_assert!(rest.is_empty() || rest.starts_with(['/', '?', '#']));
            prop_assert!(!rest.split('/').any(|part| part == ".."));
        }
    }
}
