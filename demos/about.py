"""About: where each model stands among generative models, and what is shipped."""

import dataclasses
import html
import json

import environment
import gradio as gr
import gradio_helpers as helpers
import model_entries

from gen_keras import models, presets

CS231N = "https://cs231n.stanford.edu/slides/2017/cs231n_2017_lecture13.pdf"


@dataclasses.dataclass(frozen=True)
class Model:
    """A model of the package, as this page shows it."""

    name: str
    branch: str
    idea: str
    page: str
    paper: str
    url: str
    lecture: str
    lecture_url: str = ""

    @property
    def file(self):
        """The path of its source, from the root of the project."""
        module = getattr(models, self.name).__module__
        return f"{module.replace('.', '/')}.py"


MODELS = (
    Model(
        "GAN",
        "Generative adversarial networks",
        "Two networks and one game: what is real? Also with the minimax loss, "
        "which the paper starts from.",
        "Training, live",
        "Goodfellow and others, 2014",
        "https://arxiv.org/abs/1406.2661",
        "Generative adversarial networks: the minimax game, training GANs",
        CS231N,
    ),
    Model(
        "DCGAN",
        "Generative adversarial networks",
        "A generator and a discriminator, both convolutional, trained against each "
        "other.",
        "Sampling",
        "Radford, Metz, Chintala, 2015",
        "https://arxiv.org/abs/1511.06434",
        "Generative adversarial networks: training GANs, convolutional architectures",
        CS231N,
    ),
    Model(
        "LSGAN",
        "Generative adversarial networks",
        "Squared errors in place of cross-entropy: also samples that pass for "
        "real are drawn towards the data.",
        "Training, live",
        "Mao and others, 2016",
        "https://arxiv.org/abs/1611.04076",
        "Generative adversarial networks: losses",
        CS231N,
    ),
    Model(
        "WGAN",
        "Generative adversarial networks",
        "A critic with clipped weights estimates how far samples are from data, "
        "and its loss says so.",
        "Training, live",
        "Arjovsky, Chintala, Bottou, 2017",
        "https://arxiv.org/abs/1701.07875",
        "Generative adversarial networks: the Wasserstein distance",
        CS231N,
    ),
    Model(
        "WGANGP",
        "Generative adversarial networks",
        "The same distance, by a critic that pays for slopes other than 1.",
        "Training, live",
        "Gulrajani and others, 2017",
        "https://arxiv.org/abs/1704.00028",
        "Generative adversarial networks: the Wasserstein distance",
        CS231N,
    ),
    Model(
        "PacGAN",
        "Generative adversarial networks",
        "A discriminator that judges several samples at once: it sees when they "
        "are all alike.",
        "Training, live",
        "Lin, Khetan, Fanti, Oh, 2017",
        "https://arxiv.org/abs/1712.04086",
        "Generative adversarial networks: mode collapse",
        CS231N,
    ),
    Model(
        "UnrolledGAN",
        "Generative adversarial networks",
        "A generator that foresees how the discriminator will answer.",
        "Training, live",
        "Metz, Poole, Pfau, Sohl-Dickstein, 2016",
        "https://arxiv.org/abs/1611.02163",
        "Generative adversarial networks: mode collapse",
        CS231N,
    ),
    Model(
        "ConditionalGAN",
        "Generative adversarial networks",
        "Both networks are told the class, so one can ask for it.",
        "Sampling",
        "Mirza, Osindero, 2014",
        "https://arxiv.org/abs/1411.1784",
        "Generative adversarial networks: conditional GANs",
        CS231N,
    ),
    Model(
        "ACGAN",
        "Generative adversarial networks",
        "The generator is told the class, and the discriminator has to recognize it.",
        "Sampling",
        "Odena, Olah, Shlens, 2016",
        "https://arxiv.org/abs/1610.09585",
        "Generative adversarial networks: conditional GANs",
        CS231N,
    ),
    Model(
        "InfoGAN",
        "Generative adversarial networks",
        "Codes that can be read off the images: without labels they come to "
        "mean the digit, its slant, its width.",
        "Sampling",
        "Chen and others, 2016",
        "https://arxiv.org/abs/1606.03657",
        "Generative adversarial networks: interpretable latents",
        CS231N,
    ),
    Model(
        "BiGAN",
        "Generative adversarial networks",
        "An encoder joins the game and learns to invert the generator, though "
        "nothing compares images.",
        "Sampling",
        "Donahue, Krähenbühl, Darrell, 2016",
        "https://arxiv.org/abs/1605.09782",
        "Generative adversarial networks: learning features",
        CS231N,
    ),
    Model(
        "Pix2Pix",
        "Generative adversarial networks",
        "From image to image, learned from pairs: a discriminator that sees the input, "
        "too, and an L1 loss.",
        "pix2pix",
        "Isola, Zhu, Zhou, Efros, 2017",
        "https://arxiv.org/abs/1611.07004",
        "Generative adversarial networks: conditional GANs, image translation",
        CS231N,
    ),
    Model(
        "CycleGAN",
        "Generative adversarial networks",
        "From image to image, learned without pairs: there and back again must give "
        "the same image.",
        "CycleGAN",
        "Zhu, Park, Isola, Efros, 2017",
        "https://arxiv.org/abs/1703.10593",
        "Generative adversarial networks: unpaired image translation",
        CS231N,
    ),
    Model(
        "DiscoGAN",
        "Generative adversarial networks",
        "CycleGAN's circle, by autoencoders that may change shapes, too.",
        "",
        "Kim, Cha, Kim, Lee, Kim, 2017",
        "https://arxiv.org/abs/1703.05192",
        "Generative adversarial networks: unpaired image translation",
        CS231N,
    ),
    Model(
        "VAE",
        "Variational autoencoders",
        "An encoder and a decoder that maximize a lower bound of the likelihood.",
        "Latent space",
        "Kingma, Welling, 2013",
        "https://arxiv.org/abs/1312.6114",
        "Variational autoencoders: the lower bound, the reparametrization",
        CS231N,
    ),
    Model(
        "RBM",
        "Boltzmann machines",
        "Visible and hidden units with an energy, trained and sampled by Gibbs steps.",
        "Boltzmann",
        "Tieleman, 2008",
        "https://www.cs.toronto.edu/~tijmen/pcd/pcd.pdf",
        "Restricted Boltzmann machines: contrastive divergence, deep belief networks",
    ),
    Model(
        "ClassRBM",
        "Boltzmann machines",
        "An RBM of images and their classes, which classifies and draws.",
        "Sampling",
        "Larochelle, Bengio, 2008",
        "https://jmlr.org/papers/v13/larochelle12a.html",
        "Restricted Boltzmann machines: classification",
    ),
    Model(
        "BoltzmannMachine",
        "Boltzmann machines",
        "Units that all may be connected, drawn one after the other.",
        "",
        "Ackley, Hinton, Sejnowski, 1985",
        "https://www.cs.toronto.edu/~hinton/absps/cogscibm.pdf",
        "Boltzmann machines: learning, combinatorial problems",
    ),
    Model(
        "DBN",
        "Boltzmann machines",
        "RBMs one on the other, trained one by one; the top one draws.",
        "Completion",
        "Hinton, Osindero, Teh, 2006",
        "https://www.cs.toronto.edu/~hinton/absps/fastnc.pdf",
        "Deep belief networks: greedy training, features, codes",
    ),
    Model(
        "DBM",
        "Boltzmann machines",
        "Layers of which each hears of the one below and of the one above.",
        "Completion",
        "Salakhutdinov, Hinton, 2009",
        "http://proceedings.mlr.press/v5/salakhutdinov09a.html",
        "Deep Boltzmann machines",
    ),
    Model(
        "SemanticHashing",
        "Boltzmann machines",
        "A deep belief network made an autoencoder, whose codes are a few bits.",
        "Retrieval",
        "Salakhutdinov, Hinton, 2007",
        "https://www.cs.toronto.edu/~rsalakhu/papers/semantic_final.pdf",
        "Deep belief networks: clustering and retrieval by binary codes",
    ),
)

# The taxonomy as an indented tree: depth, words, and a remark.
TAXONOMY = (
    (0, "Generative models", "learn p(x) from examples"),
    (1, "Explicit density", "p(x) can be written down"),
    (2, "Tractable", "p(x) is computed exactly"),
    (3, "Autoregressive models", ""),
    (3, "Normalizing flows", ""),
    (2, "Approximate", "p(x) is bounded or estimated"),
    (3, "Variational autoencoders", "lower bound"),
    (3, "Boltzmann machines", "Markov chain"),
    (1, "Implicit density", "p(x) is only sampled from"),
    (2, "Direct", "one pass of a network"),
    (3, "Generative adversarial networks", ""),
    (2, "Markov chain", "many small steps"),
    (3, "Generative stochastic networks", ""),
)
ALT = (
    "Tree of generative models. Explicit density: tractable (autoregressive models, "
    "normalizing flows) or approximate (variational autoencoders: VAE; Boltzmann "
    "machines: RBM, ClassRBM, BoltzmannMachine, DBN, DBM, SemanticHashing). Implicit "
    "density: direct (generative adversarial networks: GAN, DCGAN, LSGAN, WGAN, "
    "WGANGP, PacGAN, UnrolledGAN, ConditionalGAN, ACGAN, InfoGAN, BiGAN, Pix2Pix, "
    "CycleGAN, DiscoGAN) or by Markov chain (generative stochastic networks)."
)

# Picture ----------------------------------------------------------------------------


def draw_taxonomy():
    """Returns the taxonomy as inline SVG: wide, and tall for narrow windows."""
    return (
        f'<div class="taxonomy" role="img" aria-label="{html.escape(ALT)}">'
        f"{draw_wide()}{draw_tall()}</div>"
    )


def draw_wide(row=46, columns=(0, 215, 430, 665), width=1000):
    """Returns the tree from left to right, its leaves below each other."""
    room = width - columns[-1]
    positions, height = {}, 0
    for i, (_, text, _) in enumerate(TAXONOMY):
        if not children_of(i):
            positions[i] = height + row / 2
            height += row + chips_height(text, room)
    for i in reversed(range(len(TAXONOMY))):  # Children before their parents.
        children = children_of(i)
        if children:
            positions[i] = (positions[children[0]] + positions[children[-1]]) / 2
    parts = []
    for i, (depth, text, remark) in enumerate(TAXONOMY):
        x, y = columns[depth], positions[i]
        for j in children_of(i):
            end_x, end_y = columns[depth + 1] - 10, positions[j]
            parts.append(
                f'<path d="M{end_x - 26} {y}H{end_x - 14}V{end_y}H{end_x}" '
                'class="branch"/>'
            )
        parts.append(draw_words(x, y, text, remark))
        parts += draw_chips(text, x, y + 32, room)
    return wrap_svg("wide", width, height, parts)


def draw_tall(row=44, indent=22, width=350):
    """Returns the tree as an indented list with lines."""
    parts, y_of, y = [], {}, row / 2
    for i, (depth, text, remark) in enumerate(TAXONOMY):
        x = depth * indent
        y_of[i] = y
        parts.append(draw_words(x, y, text, remark))
        parts += draw_chips(text, x, y + 32, width - x)
        y += row + chips_height(text, width - x)
    for i, (depth, _, _) in enumerate(TAXONOMY):
        for j in children_of(i):
            x = depth * indent + 6
            parts.append(
                f'<path d="M{x} {y_of[i] + 22}V{y_of[j]}H{x + indent - 10}" '
                'class="branch"/>'
            )
    return wrap_svg("tall", width, round(y - 8), parts)


def children_of(parent):
    """Returns the positions in `TAXONOMY` right below a position."""
    depth, children = TAXONOMY[parent][0], []
    for i in range(parent + 1, len(TAXONOMY)):
        if TAXONOMY[i][0] <= depth:
            break
        if TAXONOMY[i][0] == depth + 1:
            children.append(i)
    return children


def draw_words(x, y, text, remark):
    """Returns a node: its words, and a remark below them."""
    name_y = y - 3 if remark else y + 5
    words = f'<text x="{x}" y="{name_y}" class="name">{html.escape(text)}</text>'
    if remark:
        words += (
            f'<text x="{x}" y="{y + 14}" class="remark">{html.escape(remark)}</text>'
        )
    return words


CHIP_ROW = 32


def arrange_chips(branch, room):
    """Yields the name, the offsets and the width of the label of each of our models."""
    x = y = 0
    for model in (model for model in MODELS if model.branch == branch):
        width = 22 + 10 * len(model.name)
        if x and x + width > room:
            x, y = 0, y + CHIP_ROW
        yield model.name, x, y, width
        x += width + 8


def chips_height(branch, room):
    """Returns the height of a branch's labels."""
    return max((y + CHIP_ROW for _, _, y, _ in arrange_chips(branch, room)), default=0)


def draw_chips(branch, left, top, room):
    """Returns a label for each of our models on a branch, in lines."""
    return [
        f'<rect x="{left + x}" y="{top + y - 13}" width="{width}" height="26" rx="13" '
        f'class="chip"/><text x="{left + x + width / 2}" y="{top + y + 5}" '
        f'class="chip-name">{name}</text>'
        for name, x, y, width in arrange_chips(branch, room)
    ]


def wrap_svg(name, width, height, parts):
    """Returns an SVG element that scales down, never up."""
    return (
        f'<svg class="{name}" viewBox="-2 0 {width} {height}" aria-hidden="true" '
        f'style="max-width:{width}px">{"".join(parts)}</svg>'
    )


# Models and presets -----------------------------------------------------------------


def list_models(alone=False):
    """Returns HTML: each model with its page, file, paper and lecture topic."""
    rows = "".join(describe_model(model, alone) for model in MODELS)
    return f'<div class="models">{rows}</div>'


def describe_model(model, alone=False):
    """Returns HTML: one model; `alone`, there are no other pages to link to."""
    page = model.page or "none yet"
    if model.page and not alone:
        page = f'<a href=".{helpers.PAGES[page]}">{page}</a>'
    topic = html.escape(model.lecture)
    if model.lecture_url:
        topic += f' (<a href="{model.lecture_url}">CS231n, lecture 13</a>)'
    source = (environment.ROOT / model.file).read_text("utf-8")
    return f"""
<section aria-label="{model.name}"><h3>{model.name}</h3>
<p>{html.escape(model.idea)}</p>
<dl><dt>Page</dt><dd>{page}</dd>
<dt>Paper</dt><dd><a href="{model.url}">{html.escape(model.paper)}</a></dd>
<dt>Lecture topic</dt><dd>{topic}</dd></dl>
<details><summary>{model.file}</summary>
<pre tabindex="0"><code>{html.escape(source)}</code></pre></details></section>"""


def list_presets():
    """Returns HTML: a card for each preset."""
    cards = "".join(map(describe_preset, presets.table()))
    return f'<div class="cards">{cards}</div>'


def describe_preset(name):
    """Returns HTML: the card of one preset."""
    row = presets.table()[name]
    entry = model_entries.entries().get(name)
    facts = {
        "Model": row["model"],
        "Training data": DATA.get(row["dataset"], row["dataset"]),
        "Licence": row["license"],
        "File": f"{entry.path.stat().st_size / 1e6:.2f} MB" if entry else "not here",
    }
    results = read_results(name)
    figures = list_figures(results.get("metrics", {}))
    lines = "".join(
        f"<dt>{html.escape(key)}</dt><dd>{html.escape(value)}</dd>"
        for key, value in (facts | (figures or {"Results": "not measured yet"})).items()
    )
    return f"""
<section class="card" aria-label="{html.escape(row["title"])}">
<h3>{html.escape(row["title"])}</h3><p>{html.escape(row["description"])}</p>
<dl>{lines}</dl>{describe_training(row)}{describe_protocol(results)}
<code>{row["model"]}.from_preset("{name}")</code></section>"""


def describe_training(row):
    """Returns HTML: the command that trained a preset, folded."""
    command = html.escape(row["training"])
    if not command:
        return ""
    return f"<details><summary>Trained by</summary><code>{command}</code></details>"


def list_figures(metrics):
    """Returns the words and values of what was measured, a dict.

    Args:
        metrics: Dict of dicts, the `metrics` of a file of results.
    """
    figures = {}
    for group, key, title, form, comparison in FIGURES:
        value = metrics.get(group, {}).get(key)
        if isinstance(value, int | float):
            figures[title] = form.format(value)
            real = find(metrics[group], comparison)
            if isinstance(real, int | float):
                figures[title] += f" (real images: {form.format(real)})"
    return figures


def find(tree, keys):
    """Returns the value below `keys` in a tree of dicts, or `None`."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree if keys else None


def describe_protocol(results):
    """Returns HTML: how the figures were measured, folded."""
    lines = [str(text) for text in results.get("protocol", {}).values()]
    lines += [str(results[key]) for key in ("command", "hardware") if key in results]
    text = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    if not text:
        return ""
    return f"<details><summary>How it was measured</summary>{text}</details>"


# Metric, key, words, format, and where the same figure of real images stands.
FIGURES = (
    ("likelihood", "nll", "Test NLL, nats", "{:.2f}", ()),
    ("bounds", "negative_iwae_bound", "Test NLL, IWAE bound, nats", "{:.2f}", ()),
    ("bounds", "negative_elbo", "Negative ELBO, nats", "{:.2f}", ()),
    (
        "classifier",
        "confident_share",
        "Samples a classifier is sure of",
        "{:.1%}",
        ("real_images", "confident_share"),
    ),
    (
        "frechet_distance",
        "samples",
        "Fréchet distance",
        "{:.2f}",
        ("training_images",),
    ),
    (
        "precision_recall",
        "recall",
        "Recall",
        "{:.3f}",
        ("training_images", "recall"),
    ),
    ("neighbors", "distinct", "Different nearest training images", "{:,}", ()),
    (
        "neighbors",
        "copy_share",
        "Copies of training images",
        "{:.1%}",
        ("real_images", "copy_share"),
    ),
)
DATA = {
    "mnist": "MNIST, 55,000 handwritten digits",
    "emoji": "Twemoji, 1,286 emoji on white",
    "emoji_edges": "1,286 pairs of a pen drawing and its Twemoji",
    "emoji_vendors": "1,286 emoji, each by Noto and by Twemoji",
}


def read_results(name):
    """Returns what was measured of a preset, a dict; empty if nothing was."""
    path = environment.ROOT / "training" / "results" / f"{name}.json"
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


# Page -------------------------------------------------------------------------------


def build(alone=False):
    """Returns the page; `alone`, it is the only one of its app."""
    with gr.Blocks(title="About") as page:
        helpers.title(
            "About",
            "gen_keras is a Keras 3 package of the classic generative models, each "
            "trained by its own step. Those with a preset can be tried here.",
        )
        show("The family tree", draw_taxonomy())
        show("Models", list_models(alone))
        show("Presets", list_presets())
        show(
            "Data",
            helpers.CREDITS
            + "<p>What was trained on them is shown under the same terms. Drawings and "
            "pictures that you send are used for the answer and then deleted.</p>",
        )
    return page


def show(heading, content):
    """Adds a section."""
    gr.HTML(
        f'<section class="about"><h2>{heading}</h2>{content}</section>',
        elem_classes="bare",
    )


demo = build(alone=__name__ == "__main__")

if __name__ == "__main__":
    helpers.serve_page("About", demo)
