"""Tables of modes, distances and the lectures' claims, for `make_tables.py`."""

from table_formats import format_number, format_table, load_results

TRICKS = (
    "Variant",
    (
        ("modes", "modes of 8", "{:.1f}"),
        ("gain", "more than the plain GAN", "{:+.1f}"),
        ("high_quality_share", "good samples", "{:.0%}"),
    ),
)
# Of each claim: the heading of its rows, and key, title and form of its columns. A key
# with a dot is a key in a dict.
CLAIMS = {
    "optimal_discriminator": (
        "Distance of the means",
        (
            ("discriminator_error", "mean abs(D − p/(p + q))", "{:.4f}"),
            ("objective", "objective", "{:.3f}"),
            ("theory", "−log 4 + 2 JSD", "{:.3f}"),
            ("gradient.minimax", "gradient, minimax", "{:.3f}"),
            ("gradient.non_saturating", "non-saturating", "{:.3f}"),
            ("gradient.wgan_gp", "WGAN-GP", "{:.3f}"),
        ),
    ),
    "tricks": TRICKS,
    "tricks_strong": TRICKS,
    "indicator": (
        "Model, steps of D",
        (
            ("correlation", "rank correlation of loss and distance", "{:.2f}"),
            ("later_correlation", "after the first tenth", "{:.2f}"),
            ("least_distance", "least distance", "{:.2f}"),
            ("last_distance", "last distance", "{:.2f}"),
        ),
    ),
    "memorization": (
        "Training images",
        (
            ("nearer_to_seen", "nearer to a training image", "{:.1%}"),
            ("copies", "copies", "{:.1%}"),
            ("kernel_distance", "kernel distance", "{:.2f}"),
        ),
    ),
    "combinatorial": (
        "Method",
        (
            ("share_of_maximum", "of the maximum, 20 nodes", "{:.1%}"),
            ("solved", "maximum found", "{:.0%}"),
            ("share_of_edges", "edges cut, 200 nodes", "{:.2%}"),
        ),
    ),
    "completion": (
        "The other half from",
        (
            ("left", "left half known: error", "{:.1%}"),
            ("right", "right half", "{:.1%}"),
            ("top", "top half", "{:.1%}"),
            ("bottom", "bottom half", "{:.1%}"),
            ("error", "mean", "{:.1%}"),
            ("distance", "distance", "{:.3f}"),
            ("classes", "different digits", "{:.2f}"),
            ("gibbs_steps", "Gibbs steps", "{:,.0f}"),
        ),
    ),
    "energy": (
        "Data",
        (
            ("gap_before", "free energy of data less elsewhere, untrained", "{:+.1f}"),
            ("gap", "trained, nats", "{:+.1f}"),
            ("auc_before", "lower on data, untrained", "{:.1%}"),
            ("auc", "trained", "{:.1%}"),
            ("auc_of_data", "true density", "{:.1%}"),
            ("nearer_before", "reconstructions nearer to data, untrained", "{:.1%}"),
            ("nearer", "trained", "{:.1%}"),
            ("log_likelihood", "log-likelihood, nats", "{:.2f}"),
            ("log_likelihood_of_data", "true density", "{:.2f}"),
        ),
    ),
    "documents": (
        "Found by",
        (
            ("precision_at_10", "of the ten nearest", "{:.1%}"),
            ("mean_average_precision", "mean average precision", "{:.1%}"),
            ("bits_precision_at_10", "by bits, of the ten nearest", "{:.1%}"),
            (
                "bits_mean_average_precision",
                "by bits, mean average precision",
                "{:.1%}",
            ),
        ),
    ),
    "pretraining": (
        "784-500-500-2000-10",
        (
            ("test_error", "test error", "{:.2%}"),
            ("validation_error", "validation error", "{:.2%}"),
        ),
    ),
    "features": (
        "Features",
        (
            ("class_share", "variance between digits", "{:.1%}"),
            ("pixels_of_half", "pixels of half the weight", "{:.0f}"),
            ("error_100", "error, 100 labels", "{:.1%}"),
            ("error_1000", "1,000 labels", "{:.1%}"),
            ("error_10000", "10,000 labels", "{:.1%}"),
        ),
    ),
    "clustering": (
        "Features in the plane",
        (
            ("purity", "purity of k-means", "{:.1%}"),
            ("neighbor_error", "error of the nearest neighbour", "{:.1%}"),
        ),
    ),
    "retrieval": (
        "Codes, bits",
        (
            ("precision_at_10", "precision at 10", "{:.1%}"),
            ("mean_average_precision", "mean average precision", "{:.1%}"),
            ("distinct_codes", "distinct codes", "{:.1%}"),
            ("search_milliseconds", "search, ms", "{:.2f}"),
        ),
    ),
    "generated_data": ("Trained on", (("test_error", "test error", "{:.2%}"),)),
}
DISTANCES = (
    ("frechet_distance", "Fréchet", "{:.2f}"),
    ("kernel_distance", "kernel", "{:.3f}"),
    ("precision", "precision", "{:.2f}"),
    ("recall", "recall", "{:.2f}"),
    ("density", "density", "{:.2f}"),
    ("coverage", "coverage", "{:.2f}"),
    ("parameters", "parameters", "{:,.0f}"),
)
STACKED = (
    ("modes", "modes of 1,000", "{:,.0f}"),
    ("reverse_kl", "reverse KL, nats", "{:.2f}"),
    ("published", "paper", "{}"),
)
CLASS_RBMS = (
    ("test_error", "test error", "{:.2%}"),
    ("validation_error", "validation error", "{:.2%}"),
    ("published", "paper", "{}"),
)
# Larochelle and Bengio, 2008, table 1.
PUBLISHED_CLASS_RBMS = {
    "generative": {"published": "3.39%"},
    "discriminative": {"published": "1.81%"},
    "hybrid": {"published": "1.28%"},
}
LIKELIHOODS = (
    ("nll", "nll, nats", "{:.2f}"),
    ("nll_summed_out", "odd layers summed out", "{:.2f}"),
    ("nll_backwards", "by reverse annealing", "{:.2f}"),
    ("log_partition_from_rates", "log Z from rates", "{:.1f}"),
    ("log_partition_from_coins", "from coins", "{:.1f}"),
    ("published", "paper", "{}"),
)
# Salakhutdinov and Murray, 2008; Salakhutdinov and Hinton, 2009; of images that are
# binarized once.
PUBLISHED_LIKELIHOODS = {
    "rbm_cd_25": {"published": "86.34"},
    "dbn": {"published": "84.55"},
    "dbm": {"published": "84.62"},
}
# Lin et al., 2017, table 4: modes and reverse KL.
PUBLISHED_STACKED = {
    "dcgan": {"published": "99 / 3.40"},
    "ali": {"published": "16 / 5.40"},
    "unrolled_gan": {"published": "49 / 4.32"},
    "pacgan": {"published": "1,000 / 0.06"},
}
MODES = {
    "gan": "GAN",
    "unrolled_gan": "Unrolled GAN",
    "bigan": "BiGAN (ALI)",
    "wgan_gp": "WGAN-GP",
    "pacgan": "PacGAN",
}
TITLES = MODES | {
    "dcgan": "DCGAN",
    "lsgan": "LSGAN",
    "wgan": "WGAN",
    "infogan": "InfoGAN",
    "bigan": "BiGAN",
    "ali": "ALI",
    "vae": "VAE",
    "rbm": "RBM",
    "dbn": "DBN",
    "dbm": "DBM",
    "rbm_cd_1": "RBM, CD-1",
    "rbm_cd_25": "RBM, CD-25",
    "rbm_pcd_5": "RBM, PCD-5",
    "lsa": "LSA",
    "lsa_32": "LSA, 32",
    "lsa_64": "LSA, 64",
    "hashing_32": "semantic hashing, 32",
    "hashing_64": "semantic hashing, 64",
    "spectral": "spectral hashing",
    "spectral_32": "spectral hashing, 32",
    "spectral_64": "spectral hashing, 64",
    "itq": "iterative quantization",
    "itq_32": "iterative quantization, 32",
    "itq_64": "iterative quantization, 64",
    "tf_idf": "tf-idf",
}
# Lin et al., 2017, tables 1 and 2: modes, share of good samples, reverse KL.
PUBLISHED = {
    "ring": {"gan": (6.3, 0.982, 0.45), "bigan": (6.6,), "pacgan": (7.9, 0.956, 0.07)},
    "grid": {
        "gan": (17.3, 0.948, 0.70),
        "bigan": (24.1,),
        "pacgan": (23.8, 0.913, 0.13),
    },
}
CURVE_COLUMNS = (
    ("modes", "modes", "{:.1f}"),
    ("high_quality_share", "good samples", "{:.0%}"),
)
MODE_COLUMNS = (
    ("modes", "{:.1f}"),
    ("high_quality_share", "{:.1%}"),
    ("reverse_kl", "{:.2f}"),
)


def make_modes_table(config):
    """Returns modes, good samples and divergence of each model, beside the papers'."""
    rows, curves, protocols = [], [], ""
    for mixture, published in PUBLISHED.items():
        name = f"modes_{mixture}"
        result = load_results(config.results, [name]).get(name)
        if not result:
            continue
        for model, title in MODES.items():
            figures = result["metrics"].get(model)
            if not figures:
                continue
            paper = zip(MODE_COLUMNS, published.get(model, ()), strict=False)
            rows.append(
                [
                    f"{mixture}: {title}",
                    *(with_error(figures, *column) for column in MODE_COLUMNS),
                    " / ".join(form.format(value) for (_, form), value in paper),
                    f"[picture](training/results/{name}_{model}.webp)",
                ]
            )
        curves += [
            make_curve_table(f"{mixture}: {title} after batches", runs, CURVE_COLUMNS)
            for model, title in MODES.items()
            if (runs := result["metrics"].get(model, {}).get("runs"))
            and all("curve" in run for run in runs)
        ]
        protocol = result["protocol"]
        protocols += f"- [{mixture}](training/results/{name}.json): "
        protocols += f"{protocol['data']} {protocol['training']}\n"
    header = [
        "Data: model",
        "Modes",
        "Good samples",
        "Reverse KL, nats",
        "Paper",
        "Samples",
    ]
    if not rows:
        return ""
    return "\n".join([format_table(header, rows), *curves, protocols])


def make_claim_table(config, name):
    """Returns the figures of a claim, and how they were made."""
    table = make_runs_table(config, f"claim_{name}", *CLAIMS[name], "../results")
    return table or "Not measured yet.\n"


def make_distances_table(config):
    """Returns the distances of samples of each model, and how they were made."""
    return make_runs_table(
        config, "distances_mnist", "Model", DISTANCES, "training/results"
    )


def make_stacked_table(config):
    """Returns the modes of stacked digits, beside the paper's, and of a longer run."""
    table = make_runs_table(
        config,
        "stacked_mnist",
        "Model",
        STACKED,
        "training/results",
        PUBLISHED_STACKED,
    )
    name = "stacked_mnist_longer"
    result = load_results(config.results, [name]).get(name)
    if result:
        for variant, figures in result["metrics"].items():
            heading = f"{TITLES[variant]} after batches"
            table += "\n" + make_curve_table(heading, figures["runs"], STACKED[:2])
        table += f"\n[Curve](training/results/{name}.json), by `{result['command']}`.\n"
    return table


def make_likelihoods_table(config):
    """Returns likelihoods of Boltzmann machines, and the gap of free energies."""
    name = "likelihoods_mnist"
    table = make_runs_table(
        config, name, "Model", LIKELIHOODS, "training/results", PUBLISHED_LIKELIHOODS
    )
    result = load_results(config.results, [name]).get(name)
    if result:
        gap = (("free_energy_gap", "nats", "{:+.2f}"),)
        for variant, figures in result["metrics"].items():
            runs = [{"curve": run["curve"][1::4]} for run in figures["runs"]]
            if runs[0]["curve"]:
                heading = f"{TITLES[variant]}: free-energy gap after batches"
                table += "\n" + make_curve_table(heading, runs, gap)
    return table


def make_class_rbms_table(config):
    """Returns errors of RBMs of images and classes, beside the paper's."""
    return make_runs_table(
        config,
        "class_rbms_mnist",
        "Objective",
        CLASS_RBMS,
        "training/results",
        PUBLISHED_CLASS_RBMS,
    )


def make_curve_table(heading, runs, columns):
    """Returns a column for each point of the curves of runs, a row for each figure."""
    points = list(zip(*(run["curve"] for run in runs), strict=True))
    header = [heading, *(f"{point[0]['batches']:,}" for point in points)]
    rows = [
        [title, *(format_number(mean_of(point, key), form) for point in points)]
        for key, title, form in columns
    ]
    return format_table(header, rows)


def mean_of(values, key):
    """Returns the mean of what is known under a key, or `None`."""
    known = [value[key] for value in values if value[key] is not None]
    return sum(known) / len(known) if known else None


def make_runs_table(config, file, heading, columns, folder, beside=None):
    """Returns a row for each variant of repeated runs; nothing without a result.

    `beside` has further values of a variant.
    """
    result = load_results(config.results, [file]).get(file)
    if not result:
        return ""
    beside = beside or {}
    rows = [
        [
            TITLES.get(row, row.replace("_", " ")),
            *(
                with_error(values | beside.get(row, {}), key, form)
                for key, _, form in columns
            ),
        ]
        for row, values in result["metrics"].items()
    ]
    table = format_table([heading, *(title for _, title, _ in columns)], rows)
    link = f"[Figures]({folder}/{file}.json)"
    return f"{table}\n{link}, by `{result['command']}`. {result['protocol']}\n"


def with_error(values, key, form):
    """Returns a value with its standard error; nothing where there is no value."""
    *path, key = key.split(".")
    for part in path:
        values = values[part]
    if key not in values:
        return ""
    text = format_number(values[key], form)
    error = values.get(f"{key}_standard_error")
    if error is None:
        return text
    return f"{text} ± {format_number(error, form.replace('+', ''))}"
