"""The strided transforms: order of the layers, sizes, and which form has which normalisation."""

import pytest
import torch
from torch import nn

from regio.models.paper_transforms import StridedTransform
from regio.models.transforms import Transforms
from regio.nn.attention import WindowAttentionModule
from regio.nn.norm import GDN
from regio.nn.regional import ScaleAffine

N, M = 8, 16


def build(sal: bool = True, **numbers: int | bool) -> Transforms:
    torch.manual_seed(0)
    return StridedTransform(**numbers).build(N, M, sal, rate_points=0)


@pytest.mark.parametrize("numbers", [{}, {"tail": 0}, {"kernel": 3, "subpixel": True, "attention": False}])
def test_features_have_a_quarter_and_a_sixteenth_of_the_side_and_come_back(numbers: dict[str, int]) -> None:
    parts = build(**numbers)
    shallow = parts.g_a1(torch.rand(1, 3, 64, 128))
    y = parts.g_a2(shallow)
    assert (shallow.shape, y.shape) == ((1, N, 16, 32), (1, M, 4, 8))
    assert parts.g_s0(y, None).shape == shallow.shape
    assert parts.g_s1(shallow, None).shape == (1, 3, 64, 128)
    assert parts.shallow_stride == 4


def test_down_is_convolution_norm_affine_and_up_is_affine_convolution_norm() -> None:
    parts = build()
    down, up = parts.g_a1[1], parts.g_s0[1]
    x = torch.randn(1, N, 8, 8)
    torch.testing.assert_close(down(x), down.affine(down.norm(down.conv(x))))
    x = torch.randn(1, M, 4, 4)
    torch.testing.assert_close(up(x), up.norm(up.conv(up.affine(x))))


def layers(parts: Transforms, kind: type[nn.Module]) -> list[list[nn.Module]]:
    return [[m for m in part.modules() if isinstance(m, kind)] for part in parts[:4]]


def test_the_form_with_a_tail_divides_everywhere_the_one_without_multiplies_in_the_synthesis() -> None:
    tail, plain = layers(build(), GDN), layers(build(sal=False, tail=0), GDN)
    assert [[g.inverse for g in part] for part in tail] == [[False, False]] * 4
    assert [[g.inverse for g in part] for part in plain] == [[False, False], [False], [True, True], [True]]


def test_attention_and_affine_layers_are_there_when_asked_for() -> None:
    assert [[m.attention.window for m in part] for part in layers(build(), WindowAttentionModule)] == [
        [8],
        [4],
        [4],
        [8],
    ]
    assert [len(part) for part in layers(build(), ScaleAffine)] == [2, 2, 2, 2]
    assert layers(build(attention=False), WindowAttentionModule) == [[], [], [], []]
    assert layers(build(sal=False), ScaleAffine) == [[], [], [], []]
    assert build(sal_squeeze=2).g_a2[1].affine.inner.out_channels == M // 2


def test_one_rate_only() -> None:
    with pytest.raises(ValueError, match="rate_points=9"):
        StridedTransform().build(N, M, True, rate_points=9)
