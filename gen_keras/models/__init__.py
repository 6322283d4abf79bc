"""Every public model, importable without knowing its family folder; and the tricks."""

from gen_keras.models.boltzmann_machines.boltzmann_machine import BoltzmannMachine
from gen_keras.models.boltzmann_machines.class_rbm import ClassRBM
from gen_keras.models.boltzmann_machines.dbm import DBM
from gen_keras.models.boltzmann_machines.dbn import DBN
from gen_keras.models.boltzmann_machines.rbm import RBM
from gen_keras.models.boltzmann_machines.semantic_hashing import SemanticHashing
from gen_keras.models.gans import tricks
from gen_keras.models.gans.acgan import ACGAN
from gen_keras.models.gans.bigan import BiGAN
from gen_keras.models.gans.conditional_gan import ConditionalGAN
from gen_keras.models.gans.cyclegan import CycleGAN
from gen_keras.models.gans.dcgan import DCGAN
from gen_keras.models.gans.discogan import DiscoGAN
from gen_keras.models.gans.gan import GAN
from gen_keras.models.gans.infogan import InfoGAN
from gen_keras.models.gans.lsgan import LSGAN
from gen_keras.models.gans.pacgan import PacGAN
from gen_keras.models.gans.pix2pix import Pix2Pix
from gen_keras.models.gans.unrolled_gan import UnrolledGAN
from gen_keras.models.gans.wgan import WGAN
from gen_keras.models.gans.wgan_gp import WGANGP
from gen_keras.models.vaes.vae import VAE
