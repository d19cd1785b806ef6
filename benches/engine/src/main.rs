mod arq;
mod heap;
mod instructions;
mod transfer;
fn main() {
    heap::count_c();
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some(case) = transfer::Case::from_args(&args) {
        println!("{}", transfer::run(case).segments);
        return;
    }
    for payload in [arq::MSS, 64] {
        for window in [128, 1024, 4096] {
            for loss in [0, 5, 20] {
                for kind in arq::Kind::ALL {
                    let case = transfer::Case { kind, window, loss, payload, segments: 20000 };
                    let counted = transfer::run(case);
                    let per = instructions::per_segment(case);
                    println!("{payload} {window} {loss} {} {per:?} {}", kind.name(), counted.allocations as f64 / counted.segments as f64);
                }
            }
        }
    }
}
