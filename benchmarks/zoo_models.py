"""The architectures of benchmarks/zoo.py, with random weights; nothing is downloaded.

Language models have two sizes: tiny (2 layers of 64, 32 tokens), where the overhead of calls
dominates, and small (4 layers of 256, 128 tokens). Token 0 is padding: half of every other row, if
``padded``.
"""

from functools import partial

import torch
from torch import nn

BATCH, CLASSES, VOCABULARY = 8, 10, 200
WIDTH, TIME = "width", "time"  # of a size
SIZES = {"tiny": (2, 64, 32), "small": (4, 256, 128)}  # layers, width, tokens

TORCHVISION = {
    "alexnet": {},
    "vgg11_bn": {},
    "resnet18": {},
    "resnext50_32x4d": {},
    "densenet121": {},
    "squeezenet1_1": {},
    "googlenet": {"aux_logits": False, "init_weights": False},
    "mobilenet_v2": {},
    "mobilenet_v3_small": {},
    "mnasnet0_5": {},
    "shufflenet_v2_x0_5": {},
    "efficientnet_b0": {},
    "regnet_y_400mf": {},
    "convnext_tiny": {},
    "swin_t": {},
    "swin_v2_t": {},
}
TIMM = {
    "beit_base_patch16_224": {"img_size": 64, "embed_dim": 128, "depth": 4, "num_heads": 4},
    "cait_xxs24_224": {"img_size": 64, "depth": 4},
    "coat_lite_tiny": {"img_size": 64},
    "convit_tiny": {"img_size": 64, "depth": 4},
    "convmixer_768_32": {},
    "convnextv2_atto": {},
    "cspresnet50": {},
    "davit_tiny": {"depths": (1, 1, 1, 1)},
    "deit_tiny_patch16_224": {"img_size": 64, "depth": 4},
    "dla34": {},
    "dpn48b": {},
    "eca_nfnet_l0": {},
    "edgenext_xx_small": {},
    "efficientformer_l1": {},
    "efficientvit_b0": {},
    "efficientvit_m0": {"img_size": 64},
    "ese_vovnet19b_slim": {},
    "eva02_tiny_patch14_224": {"img_size": 56, "depth": 4},
    "focalnet_tiny_srf": {},
    "ghostnet_050": {},
    "gmlp_ti16_224": {},
    "halonet26t": {},
    "hgnet_tiny": {},
    "hrnet_w18_small": {},
    "inception_next_tiny": {"depths": (1, 1, 1, 1)},
    "lambda_resnet26t": {},
    "levit_128s": {"img_size": 64},
    "mambaout_femto": {},
    "mixer_s32_224": {},
    "mobilenetv4_conv_small_035": {},
    "mobileone_s0": {},
    "mobilevit_xxs": {},
    "mobilevitv2_050": {},
    "nf_resnet26": {},
    "nest_tiny": {"img_size": 64},
    "pit_ti_224": {"img_size": 64},
    "poolformer_s12": {},
    "pvt_v2_b0": {"img_size": 64},
    "regnety_002": {},
    "repvgg_a0": {},
    "repvit_m0_9": {},
    "res2net50_26w_4s": {},
    "resmlp_12_224": {},
    "resnest14d": {},
    "resnetv2_50x1_bit": {},
    "sequencer2d_s": {"img_size": 56, "layers": (1, 1, 1, 1), "embed_dims": (48, 96, 96, 96)},
    "skresnet18": {},
    "starnet_s1": {},
    "swiftformer_xs": {},
    "test_coatnet": {},
    "test_efficientnet_evos": {},
    "test_maxvit": {},
    "test_nfnet": {},
    "test_vit": {},
    "test_vit_relpos": {"img_size": 64},
    "tf_efficientnet_b0": {},
    "tiny_vit_5m_224": {},
    "twins_svt_small": {"img_size": 64, "depths": (1, 1, 1, 1)},
    "visformer_tiny": {"img_size": 64},
    "volo_d1_224": {"img_size": 64, "layers": (1, 1, 1, 1)},
    "xcit_nano_12_p16_224": {"img_size": 64, "depth": 4},
}
# Class of the model in transformers and settings in terms of layers n, width w.
ENCODERS = {
    "AlbertForMaskedLM": {"embedding_size": 32},
    "BertForMaskedLM": {},
    "BigBirdForMaskedLM": {"attention_type": "original_full"},
    "ConvBertForMaskedLM": {"embedding_size": 64},
    "DebertaV2ForMaskedLM": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "DistilBertForMaskedLM": {},
    "ElectraForMaskedLM": {"embedding_size": 64},
    "FNetForMaskedLM": {},
    "ModernBertForMaskedLM": {"global_attn_every_n_layers": 2, "local_attention": 32},
    "MPNetForMaskedLM": {},
    "NystromformerForMaskedLM": {"segment_means_seq_len": TIME, "num_landmarks": 8},
    "RobertaForMaskedLM": {},
    "SqueezeBertForMaskedLM": {"embedding_size": WIDTH},
}
DECODERS = {
    "BloomForCausalLM": {},
    "CodeGenForCausalLM": {"rotary_dim": 8},
    "FalconForCausalLM": {},
    "GemmaForCausalLM": {"head_dim": 16, "num_key_value_heads": 2},
    "Gemma2ForCausalLM": {"head_dim": 16},
    "GPT2LMHeadModel": {},
    "GPTJForCausalLM": {"rotary_dim": 8},
    "GPTNeoForCausalLM": {"attention_types": [[["global", "local"], None]]},
    "GPTNeoXForCausalLM": {},
    "LlamaForCausalLM": {"num_key_value_heads": 2},
    "MambaForCausalLM": {},
    "Mamba2ForCausalLM": {"head_dim": 32, "n_groups": 1},
    "MistralForCausalLM": {"num_key_value_heads": 2},
    "MixtralForCausalLM": {"num_key_value_heads": 2, "num_local_experts": 4},
    "MptForCausalLM": {},
    "OlmoForCausalLM": {},
    "OPTForCausalLM": {},
    "PhiForCausalLM": {},
    "Qwen2ForCausalLM": {"num_key_value_heads": 2},
    "Qwen2MoeForCausalLM": {
        "num_key_value_heads": 2,
        "num_experts": 4,
        "moe_intermediate_size": 64,
        "shared_expert_intermediate_size": 64,
    },
    "Qwen3ForCausalLM": {"num_key_value_heads": 2, "head_dim": 16},
    "StableLmForCausalLM": {"num_key_value_heads": 2},
    "XLNetLMHeadModel": {},
}
BOTH = {"BartForConditionalGeneration": {}, "T5ForConditionalGeneration": {}}
PADDED = ["BertForMaskedLM", "RobertaForMaskedLM", "DistilBertForMaskedLM", "DebertaV2ForMaskedLM"]
PADDED += ["ModernBertForMaskedLM", "GPT2LMHeadModel", "OPTForCausalLM", "LlamaForCausalLM"]
PADDED += ["BartForConditionalGeneration", "T5ForConditionalGeneration"]
X_TRANSFORMERS = {
    "rotary": {"rotary_pos_emb": True},
    "alibi": {"alibi_pos_bias": True, "alibi_num_heads": 2},
    "t5 bias": {"rel_pos_bias": True},
    "rmsnorm glu": {"use_rmsnorm": True, "ff_glu": True, "ff_swish": True},
    "memory": {"attn_num_mem_kv": 4},
}
SEGMENTATION = ["Unet", "FPN", "Linknet", "PSPNet", "DeepLabV3Plus", "UnetPlusPlus", "Segformer"]


class Logits(nn.Module):
    """A model of transformers that takes token ids, 0 for padding, and returns logits."""

    def __init__(self, model, *, padded, both=False):
        super().__init__()
        self.model, self.padded, self.both = model, padded, both

    def forward(self, ids):
        mask = {"attention_mask": (ids != 0).long()} if self.padded else {}
        if self.both:
            mask["decoder_input_ids"] = ids[:, : ids.shape[1] // 2].clamp(min=1)
        return self.model(input_ids=ids, **mask).logits


class Uncached(nn.Module):
    """A model without the cache of weights in eval mode, which refers to a freed graph."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        for module in self.model.modules():
            if hasattr(module, "attention_bias_cache"):
                module.attention_bias_cache = {}
        return self.model(x)


class Pooled(nn.Module):
    """A segmentation model whose logits are averaged over the image."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x).mean((2, 3))


def images(side):
    return torch.randn(BATCH, 3, side, side), torch.randint(CLASSES, (BATCH,))


def vision(name, settings):
    import torchvision

    return getattr(torchvision.models, name)(num_classes=CLASSES, **settings), *images(64)


def timm(name, settings):
    import timm

    model = timm.create_model(name, num_classes=CLASSES, **settings)
    fixed = any(word in name for word in ("mixer_s32", "gmlp", "resmlp"))
    side = settings.get("img_size") or (224 if fixed else 64)
    return Uncached(model) if "tiny_vit" in name or "levit" in name else model, *images(side)


def language(name, settings, size, *, padded=False, both=False):
    import transformers

    layers, width, time = SIZES[size]
    model = getattr(transformers, name)
    sizes = {
        **dict.fromkeys(["num_hidden_layers", "n_layer", "num_layers", "n_layers"], layers),
        **dict.fromkeys(["encoder_layers", "decoder_layers", "num_decoder_layers"], layers),
        **dict.fromkeys(["hidden_size", "n_embd", "dim", "d_model", "word_embed_proj_dim"], width),
        **dict.fromkeys(
            ["intermediate_size", "hidden_dim", "ffn_dim", "n_inner", "d_inner"], 4 * width
        ),
        **dict.fromkeys(["encoder_ffn_dim", "decoder_ffn_dim", "d_ff"], 4 * width),
        **dict.fromkeys(["num_attention_heads", "n_head", "n_heads", "num_heads"], 4),
        **dict.fromkeys(["encoder_attention_heads", "decoder_attention_heads"], 4),
        "vocab_size": VOCABULARY,
        "d_kv": width // 4,
        "state_size": 16,
    }
    base = model.config_class()
    known = {k: v for k, v in sizes.items() if hasattr(base, k)}
    given = {WIDTH: width, TIME: time}
    known |= {k: given.get(v, v) if isinstance(v, str) else v for k, v in settings.items()}
    if name == "GPTNeoForCausalLM":
        known["attention_types"] = [[["global", "local"], layers // 2]]
    if name == "Mamba2ForCausalLM":
        known["num_heads"] = 2 * width // known["head_dim"]
    config = model.config_class(**known, pad_token_id=0, bos_token_id=1, eos_token_id=2)
    config._attn_implementation = "sdpa" if getattr(model, "_supports_sdpa", False) else "eager"
    ids = torch.randint(3, VOCABULARY, (BATCH, time))
    if padded:
        ids[::2, time // 2 :] = 0
    targets = torch.randint(VOCABULARY, (BATCH, time // 2 if both else time))
    return Logits(model._from_config(config), padded=padded, both=both), ids, targets


def x_transformer(settings, size):
    from x_transformers import Decoder, TransformerWrapper

    layers, width, time = SIZES[size]
    body = Decoder(dim=width, depth=layers, heads=4, attn_dim_head=width // 4, **settings)
    model = TransformerWrapper(num_tokens=VOCABULARY, max_seq_len=time, attn_layers=body)
    ids = torch.randint(VOCABULARY, (BATCH, time))
    return model, ids, torch.randint(VOCABULARY, (BATCH, time))


def segmentation(name):
    import segmentation_models_pytorch as smp

    model = getattr(smp, name)("resnet18", encoder_weights=None, classes=CLASSES)
    return Pooled(model), *images(64)


def zoo():
    """List the architectures: by name, a function that makes model, inputs and targets."""
    found = {}
    for name, settings in TORCHVISION.items():
        found[f"torchvision {name}"] = partial(vision, name, settings)
    for name, settings in TIMM.items():
        found[f"timm {name}"] = partial(timm, name, settings)
    for size in SIZES:
        for name, settings in (ENCODERS | DECODERS | BOTH).items():
            make = partial(language, name, settings, size, both=name in BOTH)
            found[f"transformers {name}, {size}"] = make
            if name in PADDED:
                found[f"transformers {name}, {size}, padded"] = partial(make, padded=True)
        for name, settings in X_TRANSFORMERS.items():
            found[f"x-transformers {name}, {size}"] = partial(x_transformer, settings, size)
    for name in SEGMENTATION:
        found[f"segmentation {name}"] = partial(segmentation, name)
    return found


def build(make):
    torch.manual_seed(0)
    model, x, y = make()
    for parameter in model.parameters():
        if parameter.ndim <= 1 or not parameter.any():
            with torch.no_grad():  # scales that start at 0 would make other gradients zero
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval(), x, y
