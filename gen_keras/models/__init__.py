"""Every public model, importable without knowing its family folder."""

from gen_keras.models.boltzmann_machines.rbm import RBM
from gen_keras.models.gans.cyclegan import CycleGAN
from gen_keras.models.gans.dcgan import DCGAN
from gen_keras.models.gans.discogan import DiscoGAN
from gen_keras.models.gans.pix2pix import Pix2Pix
from gen_keras.models.vaes.vae import VAE
