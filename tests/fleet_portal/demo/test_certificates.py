import ssl

from cryptography import x509

from fleet_portal.demo.certificates import server_context


def test_the_certificate_is_for_loopback_and_trusts_itself(tmp_path) -> None:
    context, pem = server_context(tmp_path, "eu-1")
    certificate = x509.load_pem_x509_certificate(pem.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert ssl.create_default_context(cadata=pem).cert_store_stats()["x509_ca"] == 1
    assert context.cert_store_stats()["x509"] == 0


def test_the_key_is_for_its_owner_alone(tmp_path) -> None:
    server_context(tmp_path, "eu-1")
    assert (tmp_path / "eu-1.pem").stat().st_mode & 0o077 == 0
