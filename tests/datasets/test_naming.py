import pytest

from medjax.datasets.naming import Naming
from medjax.datasets.pseudonyms import Pseudonyms, load_key
from medjax.errors import UserError


def test_hashed_ids_are_pseudonyms_of_the_users_key() -> None:
    naming, pseudonyms = Naming("hashed"), Pseudonyms(load_key())
    assert naming.notes == {"ids": "hashed", "key": pseudonyms.fingerprint}
    assert naming.image("cat/1.png") == pseudonyms.of("image", "cat/1.png")
    assert naming.group("P1") == pseudonyms.of("group", "P1")
    assert naming.group("") == ""


def test_names_stay_as_they_are_and_need_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDJAX_KEY", "/dev/null/none")
    naming = Naming("names")
    assert (naming.image("cat/1.png"), naming.group("P1"), naming.group("", "patient")) == ("cat/1.png", "P1", "")
    assert naming.notes == {"ids": "names", "key": ""}


def test_a_patient_id_is_a_pseudonym_in_any_case() -> None:
    assert Naming("names").group("Doe^Jane", "patient") == Pseudonyms(load_key()).of("patient", "Doe^Jane")


def test_the_key_that_hid_patients_decides_the_table() -> None:
    naming = Naming("names")
    naming.group("Doe^Jane", "patient")
    assert naming.notes == {"ids": "names", "key": Pseudonyms(load_key()).fingerprint}


def test_another_word_is_refused() -> None:
    with pytest.raises(UserError, match="ids is 'plain'; choose 'hashed'"):
        Naming("plain")
