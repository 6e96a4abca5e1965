import pytest

from medjax.errors import UserError
from medjax.models import create_model


def test_unknown_name_suggests_the_near_one():
    with pytest.raises(UserError, match=r"model 'resnet5O' does not exist.*resnet152.*did you mean 'resnet50'"):
        create_model("resnet5O", num_classes=3)


def test_unknown_argument_suggests_the_near_one():
    with pytest.raises(UserError, match=r"'resnet50' has no argument 'head_hiden'.*did you mean 'head_hidden'"):
        create_model("resnet50", num_classes=3, head_hiden=(256,))


def test_depth_belongs_to_the_name():
    with pytest.raises(UserError, match="no argument 'depth'"):
        create_model("resnet50", num_classes=3, depth=18)


def test_at_least_one_class():
    with pytest.raises(UserError, match="num_classes is 0"):
        create_model("resnet18", num_classes=0)
