"""The suite: every page in one app, at http://127.0.0.1:7860.

python demos/app.py [--model PATH [--dataset NAME]] [--port 7860] [--host 127.0.0.1]
"""

import threading
import traceback

import gradio_helpers as helpers
import model_entries
import training_images


def build():
    """Returns the app of all pages."""
    import about  # After `add_model`: the pages show what there is to choose.
    import boltzmann
    import complete
    import cyclegan
    import latent_space
    import pix2pix
    import retrieve
    import sampling
    import training_live

    modules = [sampling, latent_space, boltzmann, complete, retrieve]
    modules += [pix2pix, cyclegan, training_live, about]
    pages = [module.demo for module in modules]
    return helpers.assemble(dict(zip(helpers.PAGES, pages, strict=True)))


def warm_up():
    """Does once, in the background, what would make the first visitors wait."""
    import boltzmann
    import complete
    import cyclegan
    import latent_space
    import pix2pix
    import retrieve
    import sampling
    import training_live

    first = {
        "Sampling": sampling.sample,
        "Retrieval": retrieve.warm_up,
        "pix2pix": pix2pix.warm_up,
        "CycleGAN": cyclegan.warm_up,
    }
    for entry in model_entries.entries().values():
        with _reported(entry.title):
            first[entry.page](entry.name)
            if entry is latent_space.find_entry():
                latent_space.draw_plane()
    for entry in model_entries.entries_of("Sampling").values():
        if entry.dataset:
            with _reported(entry.dataset):
                training_images.read(entry.dataset, entry.image_shape)
    for module in (boltzmann, complete, training_live):
        with _reported(module.PAGE):
            module.warm_up()


class _reported:
    """A context: what goes wrong is printed, and the rest goes on."""

    def __init__(self, what):
        self.what = what

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is not None:
            print(f"{self.what} could not be made ready:")
            traceback.print_exception(error)
        return isinstance(error, Exception)


def parse_arguments():
    """Returns the options of the command line."""
    parser = helpers.argument_parser("gen_keras: sample from generative models.")
    parser.add_argument(
        "--model",
        help="a .keras file of your own to offer beside the presets. It is loaded, "
        "so it must be one you trust",
    )
    parser.add_argument(
        "--dataset",
        help="what your model was trained on (mnist, emoji, folder:PATH …), to search "
        "the nearest training images (default: by the shape of its images)",
    )
    args = parser.parse_args()
    if args.model:
        try:
            model_entries.add_model(args.model, args.dataset)
        except ValueError as error:
            parser.error(str(error))
    return args


if __name__ == "__main__":
    args = parse_arguments()
    app = build()
    threading.Thread(target=warm_up, daemon=True).start()
    helpers.launch(app, args.host, args.port)
