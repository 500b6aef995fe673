// Package sandbox takes rights from the process that it does not need once it
// serves: to write and execute files, by Landlock on Linux, and to leave its
// memory in a core dump. Which files it reads and where it connects to is for
// systemd, the container and the network to restrict: they know hosts, and a
// secret can then be replaced in any way.
package sandbox
