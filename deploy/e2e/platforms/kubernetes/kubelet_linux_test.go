package kubernetes_test

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cckm_sync_exporter/deploy/e2e/livetest"
	"cckm_sync_exporter/deploy/e2e/platforms/testimage"
)

const nodeName = "node"

// kubelet stands in for a scheduler and the only node of a cluster. It runs the
// container "exporter" of each pod by podman as the API server has stored it, from the
// test's image whatever its name is, and takes the others for running. The appliances are
// in the network of each pod.
type kubelet struct {
	t       *testing.T
	cluster *cluster
	storage *testimage.Storage
	image   string
	dir     string
	// hosts are the names of appliances, and ports are those where they listen, with
	// the addresses that serve them.
	hosts []string
	ports map[int]string

	mu      sync.Mutex
	running map[string]*process // by namespace and name of the pod
}

// process is the running container of a pod.
type process struct {
	// name is that of podman.
	name    string
	cmd     *exec.Cmd
	log     livetest.Buffer
	network *network
	ended   chan struct{}
	// status is the last that was sent to the API server.
	status string
}

// pod is what a kubelet uses of a pod.
type pod struct {
	Metadata struct {
		Name              string `json:"name"`
		Namespace         string `json:"namespace"`
		UID               string `json:"uid"`
		DeletionTimestamp string `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		NodeName      string      `json:"nodeName"`
		RestartPolicy string      `json:"restartPolicy"`
		Containers    []container `json:"containers"`
		Volumes       []volume    `json:"volumes"`
		HostAliases   []struct {
			IP        string   `json:"ip"`
			Hostnames []string `json:"hostnames"`
		} `json:"hostAliases"`
		SecurityContext               security `json:"securityContext"`
		TerminationGracePeriodSeconds int      `json:"terminationGracePeriodSeconds"`
	} `json:"spec"`
	Status struct {
		Phase string `json:"phase"`
	} `json:"status"`
}

type container struct {
	Name         string     `json:"name"`
	Image        string     `json:"image"`
	Args         []string   `json:"args"`
	Env          []variable `json:"env"`
	VolumeMounts []struct {
		Name      string `json:"name"`
		MountPath string `json:"mountPath"`
		ReadOnly  bool   `json:"readOnly"`
	} `json:"volumeMounts"`
	Ports []struct {
		Name          string `json:"name"`
		ContainerPort int    `json:"containerPort"`
	} `json:"ports"`
	Resources struct {
		Limits struct {
			CPU    string `json:"cpu"`
			Memory string `json:"memory"`
		} `json:"limits"`
	} `json:"resources"`
	SecurityContext security `json:"securityContext"`
	LivenessProbe   *probe   `json:"livenessProbe"`
	ReadinessProbe  *probe   `json:"readinessProbe"`
}

type variable struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	ValueFrom struct {
		ResourceFieldRef struct {
			Resource string `json:"resource"`
			Divisor  string `json:"divisor"`
		} `json:"resourceFieldRef"`
		SecretKeyRef struct {
			Name string `json:"name"`
			Key  string `json:"key"`
		} `json:"secretKeyRef"`
	} `json:"valueFrom"`
}

type volume struct {
	Name      string  `json:"name"`
	Secret    *source `json:"secret"`
	ConfigMap *source `json:"configMap"`
}

type source struct {
	SecretName  string      `json:"secretName"`
	Name        string      `json:"name"`
	DefaultMode os.FileMode `json:"defaultMode"`
	Items       []struct {
		Key  string `json:"key"`
		Path string `json:"path"`
	} `json:"items"`
}

type security struct {
	RunAsUser                *int  `json:"runAsUser"`
	RunAsGroup               *int  `json:"runAsGroup"`
	FSGroup                  *int  `json:"fsGroup"`
	ReadOnlyRootFilesystem   bool  `json:"readOnlyRootFilesystem"`
	AllowPrivilegeEscalation *bool `json:"allowPrivilegeEscalation"`
	Capabilities             struct {
		Drop []string `json:"drop"`
	} `json:"capabilities"`
}

type probe struct {
	HTTPGet *struct {
		Scheme string `json:"scheme"`
		Path   string `json:"path"`
		Port   any    `json:"port"`
	} `json:"httpGet"`
	TCPSocket struct {
		Port any `json:"port"`
	} `json:"tcpSocket"`
}

// startKubelet starts a node of the cluster.
func (c *cluster) startKubelet(t *testing.T, storage *testimage.Storage, image string, hosts []string, ports map[int]string) *kubelet {
	t.Helper()
	livetest.Program(t, "podman")
	livetest.Program(t, "runc")
	k := &kubelet{t: t, cluster: c, storage: storage, image: image, dir: t.TempDir(), hosts: hosts, ports: ports, running: map[string]*process{}}
	// The containers' users may look into it.
	if err := os.Chmod(k.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	logs := httptest.NewTLSServer(http.HandlerFunc(k.serveLogs))
	t.Cleanup(logs.Close)
	address, _ := logs.Listener.Addr().(*net.TCPAddr)
	node := object{"metadata": object{"name": nodeName}}
	status := object{"status": object{
		"conditions":      []object{{"type": "Ready", "status": "True", "lastTransitionTime": now()}},
		"addresses":       []object{{"type": "InternalIP", "address": "127.0.0.1"}},
		"daemonEndpoints": object{"kubeletEndpoint": object{"Port": address.Port}},
	}}
	if err := c.request(http.MethodPost, "/api/v1/nodes", node, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.request(http.MethodPatch, "/api/v1/nodes/"+nodeName+"/status", status, nil); err != nil {
		t.Fatal(err)
	}
	var loop sync.WaitGroup
	loop.Go(k.run)
	t.Cleanup(func() {
		loop.Wait()
		for pod := range k.running {
			k.end(pod, 10)
		}
	})
	return k
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }

// run brings the pods to where the API server wants them until the test ends.
func (k *kubelet) run() {
	ctx := k.t.Context()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var pods struct {
			Items []pod `json:"items"`
		}
		if err := k.cluster.request(http.MethodGet, "/api/v1/pods", nil, &pods); err != nil {
			if ctx.Err() == nil {
				k.t.Errorf("listing the pods: %v", err)
			}
			return
		}
		for i := range pods.Items {
			p := &pods.Items[i]
			if err := k.sync(p); err != nil && ctx.Err() == nil {
				k.t.Errorf("pod %s: %v", p.Metadata.Name, err)
			}
		}
	}
}

// sync brings a pod one step further.
func (k *kubelet) sync(p *pod) error {
	path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s", p.Metadata.Namespace, p.Metadata.Name)
	running := k.process(p.key())
	switch {
	case p.Metadata.DeletionTimestamp != "":
		if running != nil {
			code, log := k.end(p.key(), p.Spec.TerminationGracePeriodSeconds)
			if code != 0 && p.Spec.RestartPolicy == "Always" {
				k.t.Errorf("pod %s ends with %d:\n%s", p.Metadata.Name, code, log)
			}
		}
		return k.cluster.request(http.MethodDelete, path, object{"gracePeriodSeconds": 0}, nil)
	case p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed":
		return nil
	case p.Spec.NodeName == "":
		return k.cluster.request(http.MethodPost, path+"/binding", object{
			"metadata": object{"name": p.Metadata.Name},
			"target":   object{"kind": "Node", "name": nodeName},
		}, nil)
	case running == nil:
		return k.start(p)
	}
	phase, ready, state := "Running", false, object{"running": object{}}
	select {
	case <-running.ended:
		code := running.cmd.ProcessState.ExitCode()
		if p.Spec.RestartPolicy == "Always" {
			k.t.Errorf("pod %s ended with %d:\n%s", p.Metadata.Name, code, running.log.String())
		}
		phase, state = "Succeeded", object{"terminated": object{"exitCode": code}}
		if code != 0 {
			phase = "Failed"
		}
	default:
		c := p.exporter()
		ready = k.passes(running, c, c.LivenessProbe) && k.passes(running, c, c.ReadinessProbe)
	}
	return k.report(p, running, path, phase, ready, state)
}

// checkConfined checks what Pod Security "restricted" is about in a running process.
func (k *kubelet) checkConfined(p *pod) {
	output, err := k.storage.Command("podman", "inspect", "--format={{.State.Pid}}", p.Metadata.UID).Output()
	if err != nil {
		k.t.Error(err)
		return
	}
	status, err := os.ReadFile("/proc/" + strings.TrimSpace(string(output)) + "/status")
	if err != nil {
		k.t.Error(err)
		return
	}
	for _, want := range []string{"Uid:\t65534\t65534", "CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n"} {
		if !strings.Contains(string(status), "\n"+want) {
			k.t.Errorf("the process of pod %s is not confined: %q is not in\n%s", p.Metadata.Name, want, status)
		}
	}
}

// report sends the state of a pod to the API server, if it has changed.
func (k *kubelet) report(p *pod, running *process, path, phase string, ready bool, state object) error {
	status := fmt.Sprint(phase, ready)
	if status == running.status {
		return nil
	}
	running.status = status
	// The pod of helm test may already have ended.
	if ready && p.Spec.RestartPolicy == "Always" {
		k.checkConfined(p)
	}
	conditions := []object{}
	for _, kind := range []string{"Initialized", "ContainersReady", "Ready"} {
		value := "False"
		if ready || kind == "Initialized" {
			value = "True"
		}
		conditions = append(conditions, object{"type": kind, "status": value, "lastTransitionTime": now()})
	}
	containers := []object{}
	for _, c := range p.Spec.Containers {
		containers = append(containers, object{"name": c.Name, "image": c.Image, "imageID": "", "ready": ready, "restartCount": 0, "state": state})
	}
	return k.cluster.request(http.MethodPatch, path+"/status", object{"status": object{
		"phase": phase, "conditions": conditions, "containerStatuses": containers, "startTime": now(),
		// An address for documentation, because endpoints must not be loopback addresses.
		"podIP": "192.0.2.1", "podIPs": []object{{"ip": "192.0.2.1"}},
	}}, nil)
}

// exporter returns the pod's container that is run.
func (p *pod) exporter() *container {
	i := slices.IndexFunc(p.Spec.Containers, func(c container) bool { return c.Name == "exporter" })
	return &p.Spec.Containers[max(i, 0)]
}

// key returns the key of a pod in kubelet.running.
func (p *pod) key() string { return p.Metadata.Namespace + "/" + p.Metadata.Name }

func (k *kubelet) process(pod string) *process {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.running[pod]
}

// start starts the container of a pod.
func (k *kubelet) start(p *pod) error {
	options, err := k.options(p)
	if err != nil {
		return err
	}
	var addresses []string
	for _, alias := range p.Spec.HostAliases {
		addresses = append(addresses, alias.IP)
	}
	network, err := newNetwork(k.t, addresses...)
	if err != nil {
		return err
	}
	for port, address := range k.ports {
		if err := network.forward(k.t, port, address); err != nil {
			return err
		}
	}
	options = append([]string{"run", "--rm", "--pull=never", "--name=" + p.Metadata.UID, "--network=ns:" + network.path()}, options...)
	running := &process{name: p.Metadata.UID, cmd: k.storage.Command("podman", slices.Concat(options, []string{k.image}, p.exporter().Args)...), network: network, ended: make(chan struct{})}
	running.cmd.Stdout, running.cmd.Stderr = &running.log, &running.log
	if err := running.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = running.cmd.Wait() // The exit code says enough.
		close(running.ended)
	}()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.running[p.key()] = running
	return nil
}

// end ends the container of a pod, and returns its exit code and its log.
func (k *kubelet) end(pod string, graceSeconds int) (code int, log string) {
	running := k.process(pod)
	select {
	case <-running.ended:
	default:
		// Podman forwards the signal.
		_ = running.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-running.ended:
		case <-time.After(time.Duration(graceSeconds) * time.Second):
			k.t.Errorf("a pod does not end within %d s of SIGTERM", graceSeconds)
			_ = k.storage.Command("podman", "kill", running.name).Run()
			<-running.ended
		}
	}
	if err := running.network.close(); err != nil {
		k.t.Error(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.running, pod)
	return running.cmd.ProcessState.ExitCode(), running.log.String()
}

// options returns podman's options for what the pod specifies.
func (k *kubelet) options(p *pod) ([]string, error) {
	c := p.exporter()
	names := slices.Clone(k.hosts)
	options := []string{"--hostname=" + p.Metadata.Name}
	for _, alias := range p.Spec.HostAliases {
		for _, name := range alias.Hostnames {
			names = slices.DeleteFunc(names, func(n string) bool { return n == name })
			options = append(options, "--add-host="+name+":"+alias.IP)
		}
	}
	for _, name := range names {
		options = append(options, "--add-host="+name+":127.0.0.1")
	}
	for _, v := range c.Env {
		value, err := k.value(p, v)
		if err != nil {
			return nil, err
		}
		options = append(options, "--env="+v.Name+"="+value)
	}
	volumes := map[string]volume{}
	for _, v := range p.Spec.Volumes {
		volumes[v.Name] = v
	}
	for _, mount := range c.VolumeMounts {
		dir, err := k.write(p, volumes[mount.Name])
		if err != nil {
			return nil, err
		}
		if mount.ReadOnly {
			mount.MountPath += ":ro"
		}
		options = append(options, "--volume="+dir+":"+mount.MountPath)
	}
	if limit := c.Resources.Limits.Memory; limit != "" {
		options = append(options, fmt.Sprintf("--memory=%d", size(limit)))
	}
	if limit, milli := strings.CutSuffix(c.Resources.Limits.CPU, "m"); milli {
		options = append(options, "--cpus=0."+limit)
	}
	return append(options, securityOptions(p.Spec.SecurityContext, c.SecurityContext)...), nil
}

// securityOptions returns podman's options for the security of a pod's container.
func securityOptions(p, c security) (options []string) {
	if p.RunAsUser != nil {
		group := 0
		if p.RunAsGroup != nil {
			group = *p.RunAsGroup
		}
		options = append(options, fmt.Sprintf("--user=%d:%d", *p.RunAsUser, group))
	}
	if p.FSGroup != nil {
		options = append(options, fmt.Sprintf("--group-add=%d", *p.FSGroup))
	}
	if c.ReadOnlyRootFilesystem {
		options = append(options, "--read-only", "--read-only-tmpfs=false")
	}
	if c.AllowPrivilegeEscalation != nil && !*c.AllowPrivilegeEscalation {
		options = append(options, "--security-opt=no-new-privileges")
	}
	for _, capability := range c.Capabilities.Drop {
		options = append(options, "--cap-drop="+capability)
	}
	return options
}

// size returns the number of a quantity such as 128Mi.
func size(quantity string) int64 {
	for exponent, unit := range []string{"Ki", "Mi", "Gi"} {
		if number, found := strings.CutSuffix(quantity, unit); found {
			n, err := strconv.ParseInt(number, 10, 64)
			if err == nil {
				return n << (10 * (exponent + 1))
			}
		}
	}
	return -1
}

// value returns the value of an environment variable.
func (k *kubelet) value(p *pod, v variable) (string, error) {
	from := v.ValueFrom
	switch {
	case from.SecretKeyRef.Name != "":
		data, err := k.data(p, "secrets", from.SecretKeyRef.Name)
		return string(data[from.SecretKeyRef.Key]), err
	case from.ResourceFieldRef.Resource == "limits.memory" && from.ResourceFieldRef.Divisor == "1":
		return strconv.FormatInt(size(p.exporter().Resources.Limits.Memory), 10), nil
	case from.ResourceFieldRef.Resource != "":
		return "", fmt.Errorf("%s: %v is not implemented", v.Name, from)
	default:
		return v.Value, nil
	}
}

// data returns the data of a Secret or ConfigMap.
func (k *kubelet) data(p *pod, kind, name string) (map[string][]byte, error) {
	var stored struct {
		Data map[string]string `json:"data"`
	}
	path := fmt.Sprintf("/api/v1/namespaces/%s/%s/%s", p.Metadata.Namespace, kind, name)
	if err := k.cluster.request(http.MethodGet, path, nil, &stored); err != nil {
		return nil, err
	}
	data := map[string][]byte{}
	for key, text := range stored.Data {
		data[key] = []byte(text)
		if kind == "secrets" {
			decoded, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return nil, err
			}
			data[key] = decoded
		}
	}
	return data, nil
}

// write writes the files of a volume as a kubelet does: as links to a directory that
// can be replaced, and readable for the pod's group.
func (k *kubelet) write(p *pod, v volume) (dir string, err error) {
	dir = filepath.Join(k.dir, p.Metadata.UID+"-"+v.Name)
	data := filepath.Join(dir, "..data_1")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return "", err
	}
	var from source
	var content map[string][]byte
	switch {
	case v.Secret != nil:
		from = *v.Secret
		content, err = k.data(p, "secrets", from.SecretName)
	case v.ConfigMap != nil:
		from = *v.ConfigMap
		content, err = k.data(p, "configmaps", from.Name)
	default: // A directory of the pod's own, which everybody can write, or the token of its account.
		return dir, os.Chmod(dir, 0o777)
	}
	if err != nil {
		return "", err
	}
	files := map[string]string{}
	for key := range content {
		files[key] = key
	}
	if len(from.Items) > 0 {
		clear(files)
		for _, item := range from.Items {
			files[item.Path] = item.Key
		}
	}
	if err := os.Symlink("..data_1", filepath.Join(dir, "..data")); err != nil {
		return "", err
	}
	group, mode := 0, from.DefaultMode
	if p.Spec.SecurityContext.FSGroup != nil {
		group, mode = *p.Spec.SecurityContext.FSGroup, mode|0o440
	}
	for path, key := range files {
		text, found := content[key]
		if !found {
			return "", fmt.Errorf("the volume %s has no %s", v.Name, key)
		}
		file := filepath.Join(data, path)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return "", err
		}
		if err := os.Chown(file, 0, group); err != nil {
			return "", err
		}
		if err := os.Chmod(file, mode); err != nil {
			return "", err
		}
		if err := os.Symlink(filepath.Join("..data", path), filepath.Join(dir, path)); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// passes reports whether a probe of a container passes.
func (k *kubelet) passes(r *process, c *container, p *probe) bool {
	if p == nil {
		return true
	}
	if p.HTTPGet == nil {
		conn, err := r.network.dial(k.t.Context(), "tcp", c.address(p.TCPSocket.Port))
		return err == nil && conn.Close() == nil
	}
	target := url.URL{Scheme: strings.ToLower(p.HTTPGet.Scheme), Host: c.address(p.HTTPGet.Port), Path: p.HTTPGet.Path}
	status, _, err := k.get(r, target.String())
	return err == nil && status < http.StatusBadRequest
}

// get requests a page of a pod.
func (k *kubelet) get(r *process, page string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(k.t.Context(), http.MethodGet, page, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DialContext: r.network.dial, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// metrics returns what a pod of a namespace exports.
func (k *kubelet) metrics(namespace string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	for pod, running := range k.running {
		if path.Dir(pod) == namespace {
			_, body, err := k.get(running, "http://127.0.0.1:10458/metrics")
			if err != nil {
				k.t.Errorf("pod %s: %v", pod, err)
			}
			return body
		}
	}
	return ""
}

// address returns the address of a port of the container, which may be a name.
func (c *container) address(port any) string {
	for _, named := range c.Ports {
		if named.Name == port {
			port = named.ContainerPort
		}
	}
	return fmt.Sprintf("127.0.0.1:%v", port)
}

// serveLogs serves the log of a pod at /containerLogs/NAMESPACE/POD/CONTAINER.
func (k *kubelet) serveLogs(w http.ResponseWriter, r *http.Request) {
	pod, container := path.Split(strings.TrimPrefix(r.URL.Path, "/containerLogs/"))
	if running := k.process(path.Clean(pod)); running != nil && container == "exporter" {
		_, _ = fmt.Fprint(w, running.log.String())
	}
}
