package simulator

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// authority is a certificate with its key.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// newAuthority makes an authority whose certificate is valid for ten years.
func newAuthority(name string) (*authority, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name, Organization: []string{"simulator"}},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(10, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	a, err := new(authority).sign(template)
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", name, err)
	}
	return a, nil
}

// sign returns a new key and its certificate, which the authority signs, or the key itself if the
// authority has none.
func (a *authority) sign(template *x509.Certificate) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	template.SerialNumber = new(big.Int).SetBytes(secret(15))
	parent, signer := a.certificate, a.key
	if signer == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading a certificate: %w", err)
	}
	return &authority{certificate: certificate, key: key}, nil
}

// pem returns the certificate.
func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

// issue signs a certificate for a new key and returns both in PEM.
func (a *authority) issue(template *x509.Certificate) (certPEM, keyPEM []byte, err error) {
	template.KeyUsage = x509.KeyUsageDigitalSignature
	leaf, err := a.sign(template)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(leaf.key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a key: %w", err)
	}
	return leaf.pem(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Certificate describes the server's certificate. A client accepts the zero value.
type Certificate struct {
	// Names are its host names and IP addresses. The default is 127.0.0.1, ::1 and localhost.
	Names []string
	// NotBefore and NotAfter limit its validity in real time. The default is an hour ago to in ten years.
	NotBefore time.Time
	NotAfter  time.Time
}

// template returns the certificate that an authority signs.
func (c Certificate) template() *x509.Certificate {
	names := c.Names
	if names == nil {
		names = []string{"127.0.0.1", "::1", "localhost"}
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "simulator appliance"},
		NotBefore:   cmp.Or(c.NotBefore, time.Now().Add(-time.Hour)),
		NotAfter:    cmp.Or(c.NotAfter, time.Now().AddDate(10, 0, 0)),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return template
}

// serverTLS makes the configuration of a server, which verifies a client certificate if there is one.
func serverTLS(server, clients *authority, c Certificate) (*tls.Config, error) {
	certPEM, keyPEM, err := server.issue(c.template())
	if err != nil {
		return nil, fmt.Errorf("making the server's certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("making the server's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(clients.certificate)
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"},
		Certificates: []tls.Certificate{pair},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    pool,
	}, nil
}
