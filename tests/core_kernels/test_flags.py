"""Quality bits."""

from core_kernels.flags import Flag, names


def test_good_has_no_name():
    assert names(0) == ()


def test_names_come_in_the_order_of_the_bits():
    assert names(int(Flag.STUCK | Flag.MISSING)) == ("missing", "stuck")


def test_every_flag_is_one_bit_of_a_uint16():
    bits = [int(flag) for flag in Flag if flag]
    assert all(bit.bit_count() == 1 and bit < 2**16 for bit in bits)
    assert len(set(bits)) == len(bits)
