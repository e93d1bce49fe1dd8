//! IPv4 addresses inside IPv6 ones: mapped, NAT64, 6to4, Teredo.

use sensor_common::counter::Counter;
use sensor_tests::Setup;

use crate::{
    classification::{inbound, outbound, row},
    expect::{counted, hold},
};

/// Writes an IPv4 address in an IPv6 form.
type Form = fn([u8; 4]) -> String;

#[test]
fn embedded_ipv4_address_is_classified_as_itself() {
    let lan = "fd00:1::2";
    let forms: [(&'static str, Form); 4] = [
        ("mapped", |[a, b, c, d]| format!("::ffff:{a}.{b}.{c}.{d}")),
        ("NAT64", |[a, b, c, d]| format!("64:ff9b::{a}.{b}.{c}.{d}")),
        ("6to4", |[a, b, c, d]| format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1")),
        ("Teredo", |octets| {
            let [a, b, c, d] = octets.map(|octet| !octet);
            format!("2001:0:4136:e378:8000:63bf:{a:02x}{b:02x}:{c:02x}{d:02x}")
        }),
    ];
    let rows = forms.into_iter().flat_map(|(form, of)| {
        let inner = |octets| of(octets);
        let (net, home, nowhere) = (inner([8, 8, 4, 4]), inner([10, 1, 2, 3]), inner([192, 0, 2, 1]));
        [
            row(form, lan, &net, outbound(lan, &net)),
            row(form, &net, lan, inbound(&net, lan)),
            row(form, &home, "2001:4860::1", outbound(&home, "2001:4860::1")),
            row(form, &home, &net, outbound(&home, &net)),
            row(form, lan, &home, counted(Counter::Lateral)),
            row(form, lan, &nowhere, counted(Counter::Reserved)),
            row(form, &inner([224, 0, 0, 1]), lan, counted(Counter::Reserved)),
        ]
    });
    hold("embedded_ipv4_address_is_classified_as_itself", &Setup::default(), rows);
}

#[test]
fn similar_addresses_embed_nothing() {
    let lan = "fd00:1::2";
    // Each would be 10.0.0.2, internal, if it embedded anything.
    let global = ["2003:a00:2::1", "2001:200::f5ff:fffd"];
    let global = global.map(|address| row("resembles", lan, address, outbound(lan, address)));
    // Outside 2000::/3.
    let reserved = ["::10.0.0.2", "::1:ffff:a00:2", "64:ff9b::1:0:a00:2"];
    let reserved = reserved.map(|address| row("resembles", lan, address, counted(Counter::Reserved)));
    hold("similar_addresses_embed_nothing", &Setup::default(), global.into_iter().chain(reserved));
}
